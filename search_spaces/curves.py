"""Curves instead of names: the gradient's weight as a cubic of p, and logits shifted by the counts.

    lossforge search recipes/digits.py --set noise=0.4 --space search_spaces/curves.py
    lossforge search recipes/digits.py --set tail=30 --space search_spaces/curves.py

For the first slot of a classifier. Every draw falls as p rises (BernsteinCrossEntropy). Where the
slot knows counts of classes that differ, a term with shifted logits may join: two numbers tied to
the class priors, however many classes there are.
"""

CLASSIFIERS = {"multiclass", "binary", "multilabel"}


def space(trial, slots):
    slot = next(name for name, slot in slots.items() if CLASSIFIERS & set(slot.kinds))
    c0, c2, c3 = (round(trial.suggest_float(name, 0.0, 2.0), 3) for name in ("c0", "c2", "c3"))
    curve = f"BernsteinCrossEntropy(c0={c0}, c2={c2}, c3={c3})"
    counts = tuple(slots[slot].bind.get("class_counts") or ())
    if len(set(counts)) < 2 or not trial.suggest_categorical("prior", (False, True)):
        return {slot: curve}
    tau = round(trial.suggest_float("tau", 0.0, 2.0), 3)
    gamma = round(trial.suggest_float("gamma", 0.0, 0.4), 3)
    share = float(f"{trial.suggest_float('curve.weight', 0.03, 1.0, log=True):.3g}")
    return {slot: f"LogitAdjusted({counts}, tau={tau}, gamma={gamma}) + {share}*{curve}"}
