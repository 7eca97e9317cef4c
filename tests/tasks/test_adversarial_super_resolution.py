"""A generator and its discriminator in three phases."""

import numpy as np
import pytest

from lossforge import spec
from lossforge.heads.discriminators import patch_discriminator, srgan_discriminator
from lossforge.recipe import load_recipe
from lossforge.training.train import train

pytestmark = pytest.mark.slow

TINY = {"train_patches": 96, "batch_size": 8, "patch_size": 32, "epochs": 3}
CHEAP = {"perceptual": "Perceptual(layers=['block1_conv2'], power=1)"}


@pytest.mark.parametrize(
    "critic", ["0.001*NonSaturatingGAN()", "0.001*RelativisticGAN(average=True)"]
)
def test_terms_come_in_one_after_the_other(critic):
    recipe = load_recipe("recipes/srgan.py", {**TINY, "spectral_normalisation": True})
    losses = {name: spec.parse(text) for name, text in {**CHEAP, "critic": critic}.items()}
    weights = []

    import keras

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append([logs[f"parameters/{n}.weight"] for n in ("perceptual", "critic")])

    outcome = train(recipe, losses, callbacks=[Watch()])
    assert outcome.reason is None and np.isfinite(list(outcome.metrics.values())).all()
    assert weights[0] == [0.0, 0.0] and weights[1] == [1.0, 0.0] and weights[2] == [1.0, 1.0]
    assert {"discriminator_loss", "scores/real", "scores/generated"} <= outcome.metrics.keys()


def test_discriminators_learn_to_tell_noise_from_flat_images():
    import keras

    rng = np.random.default_rng(0)
    noise, flat = rng.uniform(0, 1, (16, 32, 32, 3)), np.full((16, 32, 32, 3), 0.5)
    images = np.concatenate([noise, flat]).astype("float32")
    labels = np.repeat([1.0, 0.0], 16)[:, None]
    for spectral in (False, True):
        for network in (patch_discriminator(8, 2, spectral), srgan_discriminator(32, 4, spectral)):
            x = network.output
            scores = keras.layers.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else x
            model = keras.Model(network.input, scores)
            model.compile(keras.optimizers.Adam(5e-3), keras.losses.BinaryCrossentropy(True))
            history = model.fit(images, labels, epochs=12, verbose=0, batch_size=32)
            assert history.history["loss"][-1] < 0.5 * history.history["loss"][0], network.name
