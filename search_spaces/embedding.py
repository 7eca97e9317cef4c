"""Embeddings judged by retrieval: one loss over pairs or triplets, and its one or two numbers.

lossforge search recipes/triplet.py --space search_spaces/embedding.py
"""

LOSSES = ("Triplet", "SupCon", "Circle", "MultiSimilarity")


def space(trial):
    kind = trial.suggest_categorical("embedding", LOSSES)
    if kind == "Triplet":
        arguments = f"margin={round(trial.suggest_float('margin', 0.05, 0.6), 3)}"
    elif kind == "SupCon":
        temperature = trial.suggest_float("temperature", 0.03, 0.5, log=True)
        arguments = f"temperature={float(f'{temperature:.3g}')}"
    elif kind == "Circle":
        arguments = f"gamma={round(trial.suggest_float('gamma', 16.0, 256.0, log=True), 1)}"
    else:
        arguments = ""
    return {"embedding": f"{kind}({arguments})"}
