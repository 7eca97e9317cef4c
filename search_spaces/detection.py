"""Detection: a classification loss made for imbalance, and a box loss of one or two terms.

lossforge search recipes/retinanet.py --space search_spaces/detection.py
"""


def space(trial):
    return {"classification": _classification(trial), "box": _box(trial)}


def _classification(trial):
    kind = trial.suggest_categorical("classification", ("Focal", "QualityFocal", "Varifocal"))
    gamma = round(trial.suggest_float("classification.gamma", 0.5, 3.0), 2)
    if kind == "QualityFocal":
        return f"QualityFocal(beta={gamma})"
    alpha = round(trial.suggest_float("classification.alpha", 0.2, 0.8), 2)
    return f"{kind}(gamma={gamma}, alpha={alpha})"


def _box(trial):
    overlap = trial.suggest_categorical("box", ("IoU", "GIoU", "DIoU", "CIoU", "EIoU"))
    weight = float(f"{trial.suggest_float('box.weight', 0.3, 5.0, log=True):.3g}")
    box = f"{weight}*{overlap}()"
    if trial.suggest_categorical("box.smooth", (False, True)):
        share = trial.suggest_float("box.smooth.weight", 0.1, 2.0, log=True)
        box += f" + {float(f'{weight * share:.3g}')}*SmoothL1(beta=0.1)"
    return box
