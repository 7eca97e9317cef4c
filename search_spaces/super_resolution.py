"""Super-resolution: a pixel loss at weight 1, with structure and edges as further terms.

lossforge search recipes/srresnet.py --space search_spaces/super_resolution.py
"""


def space(trial):
    image = trial.suggest_categorical("pixels", ("MAE()", "MSE()", "Charbonnier()"))
    for name, loss in (("structure", "SSIM()"), ("edges", "ImageGradient()")):
        if trial.suggest_categorical(name, (False, True)):
            weight = trial.suggest_float(f"{name}.weight", 0.01, 1.0, log=True)
            image += f" + {float(f'{weight:.3g}')}*{loss}"
    return {"image": image}
