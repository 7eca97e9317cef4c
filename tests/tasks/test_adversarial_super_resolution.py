"""A generator and its discriminator in three phases."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from lossforge import spec
from lossforge.heads.discriminators import patch_discriminator, srgan_discriminator
from lossforge.recipe import load_recipe
from lossforge.training.train import train
from lossforge.training.train_run import train_run

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


def test_tensorboard_shows_the_weights_of_the_three_phases(tmp_path):
    losses = [f"{name}={text}" for name, text in CHEAP.items()]
    run = train_run("recipes/srgan.py", losses, settings={**TINY, "epochs": 6}, runs=tmp_path)
    logs = str(run.path / "logs" / "train")
    written = EventAccumulator(logs, size_guidance={"tensors": 0}).Reload()

    def curve(tag):
        return [float(make_ndarray(e.tensor_proto)) for e in written.Tensors(f"epoch_{tag}")]

    perceptual, critic = (curve(f"parameters/{name}.weight") for name in ("perceptual", "critic"))
    assert perceptual[:2] == [0.0, 0.0] and perceptual[2:] == [1.0] * 4
    assert critic[:4] == [0.0] * 4 and critic[4:] == [1.0, 1.0]
    for term in ("image", "perceptual", "critic"):
        assert len(curve(f"terms/{term}")) == 6 and np.all(np.isfinite(curve(f"terms/{term}")))
    assert curve("weights/critic")[0] == 0.0 and curve("weights/critic")[-1] > 0.0


def test_a_critic_of_weight_zero_costs_no_discriminator():
    recipe = load_recipe("recipes/srgan.py", {**TINY, "train_patches": 24})
    losses = {n: spec.parse(t) for n, t in {**CHEAP, "critic": "0.0*HingeGAN()"}.items()}
    outcome = train(recipe, losses)
    assert outcome.reason is None and "discriminator_loss" not in outcome.metrics
    assert outcome.metrics["terms/critic"] == 0.0 and outcome.metrics["terms/perceptual"] > 0.0


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
