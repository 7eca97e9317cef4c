"""Super-resolution of real photographs, with pixel, structural and perceptual losses.

    lossforge train recipes/srresnet.py
    lossforge train recipes/srresnet.py --loss "0.84*MultiScaleSSIM() + 0.16*MAE()"
    lossforge train recipes/srresnet.py --loss "MAE() + 0.1*Perceptual()"
    lossforge train recipes/srresnet.py --set scale=4 --set network=srresnet
    lossforge train recipes/srresnet.py --set data=div2k/bicubic_x4 --set scale=4
    lossforge train recipes/srresnet.py --set data=my_photographs --set jpeg=70 --set noise=5
    lossforge search recipes/srresnet.py --score val_psnr,val_lpips

`val_psnr_gain` is what the network adds to bicubic enlargement.
The guide is docs/super_resolution.md.
"""

import keras

from lossforge import Recipe
from lossforge.data.degradations import Degradation
from lossforge.data.super_resolution import load_super_resolution
from lossforge.tasks.super_resolution import SuperResolution
from lossforge.tasks.upscalers import build_upscaler


def recipe(
    data: str = "photographs",
    scale: int = 2,
    network: str = "compact",
    blur: float = 0.0,
    noise: float = 0.0,
    jpeg: int | None = None,
    patch_size: int = 64,
    batch_size: int = 16,
    train_patches: int = 4800,
    learning_rate: float = 2e-3,
    epochs: int = 5,
) -> Recipe:
    degradation = Degradation(scale, blur, noise, jpeg)
    return Recipe(
        name="srresnet",
        data=lambda seed: load_super_resolution(
            data,
            degradation=degradation,
            patch_size=patch_size,
            batch_size=batch_size,
            train_patches=train_patches,
            seed=seed,
        ),
        task=lambda data: SuperResolution(build_upscaler(network, scale), scale),
        losses={"image": "MAE()"},
        candidates={
            "image": (
                "MAE",
                "MSE",
                "Charbonnier",
                "MultiScaleSSIM",
                "ImageGradient",
                "Perceptual(layers=['block2_conv2'], power=1)",
            )
        },
        score="val_psnr",
        epochs=epochs,
        optimizer=lambda steps: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                learning_rate / 20,
                steps - steps // 20,
                warmup_target=learning_rate,
                warmup_steps=steps // 20,
            ),
            global_clipnorm=1.0,
        ),
        steps_per_execution=8,
    )
