"""Labels that are partly wrong: bounded losses, with cross-entropy to learn fast.

lossforge search recipes/digits.py --set noise=0.4 --space search_spaces/label_noise.py
"""


def space(trial):
    kind = trial.suggest_categorical(
        "kind", ("GeneralisedCrossEntropy", "SymmetricCrossEntropy", "TaylorCrossEntropy")
    )
    if kind == "GeneralisedCrossEntropy":
        return {"classes": f"{kind}(q={round(trial.suggest_float('q', 0.3, 1.0), 3)})"}
    if kind == "TaylorCrossEntropy":
        return {"classes": f"{kind}(order={trial.suggest_int('order', 1, 6)})"}
    alpha = float(f"{trial.suggest_float('alpha', 0.01, 1.0, log=True):.3g}")
    return {"classes": f"{kind}(alpha={alpha}, beta=1.0)"}
