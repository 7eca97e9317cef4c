"""Blurred and noisy photographs made sharp, with attention to edges.

    lossforge train recipes/deblur.py
    lossforge train recipes/deblur.py --loss "edges=0.0*MAE()"
    lossforge train recipes/deblur.py --set blur=2.5 --set noise=4 --set jpeg=60
    lossforge compare recipes/deblur.py --loss "edges=0.3*MAE()" --loss "edges=0.0*MAE()" --seeds 3

The slot `image` reads whole photographs, `edges` the same pixels weighted by how steep the sharp
photograph is there.
"""

import keras

from lossforge import Recipe
from lossforge.data.degradations import Degradation
from lossforge.data.super_resolution import load_super_resolution
from lossforge.tasks.deblurring import Deblurring
from lossforge.tasks.upscalers import build_upscaler


def recipe(
    data: str = "photographs",
    blur: float = 1.6,
    noise: float = 2.0,
    jpeg: int | None = None,
    network: str = "compact",
    patch_size: int = 48,
    batch_size: int = 8,
    train_patches: int = 2400,
    learning_rate: float = 2e-3,
    epochs: int = 4,
) -> Recipe:
    return Recipe(
        name="deblur",
        data=lambda seed: load_super_resolution(
            data,
            degradation=Degradation(1, blur, noise, jpeg),
            patch_size=patch_size,
            batch_size=batch_size,
            train_patches=train_patches,
            seed=seed,
        ),
        task=lambda data: Deblurring(build_upscaler(network, 1)),
        losses={"image": "MAE()", "edges": "0.3*MAE()"},
        candidates={
            "image": ("MAE", "Charbonnier", "SSIM", "Fourier", "FocalFrequency"),
            "edges": ("MAE", "MSE", "SmoothL1"),
        },
        score="val_psnr",
        epochs=epochs,
        optimizer=lambda steps: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=0.05),
            global_clipnorm=1.0,
        ),
        steps_per_execution=8,
    )
