"""Classes of very different size: logits shifted and scaled by the class counts, by three numbers.

    lossforge search recipes/digits.py --set tail=30 --space search_spaces/long_tail.py

The counts come from the slot, so the space has three numbers however many classes there are.
tau = 1 and gamma = 0 is logit adjustment; the plain cross-entropy is tau = gamma = 0.
"""


def space(trial, slots):
    counts = tuple(slots["classes"].bind["class_counts"])
    tau = round(trial.suggest_float("tau", 0.0, 2.0), 3)
    gamma = round(trial.suggest_float("gamma", 0.0, 0.4), 3)
    loss = f"LogitAdjusted({counts}, tau={tau}, gamma={gamma})"
    if trial.suggest_categorical("focal", (False, True)):
        weight = float(f"{trial.suggest_float('focal.weight', 0.03, 1.0, log=True):.3g}")
        loss += f" + {weight}*Focal(gamma=2.0)"
    return {"classes": loss}
