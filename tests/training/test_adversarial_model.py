"""A generator and a discriminator that train each other."""

import keras
import numpy as np
import pytest

import lossforge
from lossforge import AdversarialModel, Reading
from lossforge.callbacks import LossWarmup
from lossforge.errors import UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 2)).astype("float32")
Y = RNG.normal(3.0, 0.5, size=(64, 3)).astype("float32")


def read(target, output):
    return {"content": {"regression": Reading(target, output)}}


def adversarial(critic, content=None, **options):
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    discriminator = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(8, activation="leaky_relu"), keras.layers.Dense(1)]
    )
    losses = {"content": content or lossforge.SmoothL1(), "critic": critic}
    model = AdversarialModel(generator, discriminator, read, losses, **options)
    model.compile(keras.optimizers.SGD(0.1), discriminator_optimizer=keras.optimizers.SGD(0.2))
    return model


def weights_of(model):
    return [np.array(w) for w in model.get_weights()]


def test_one_step_of_least_squares_equals_the_step_by_hand():
    """Discriminator and generator of one weight each, with gradients from pen and paper."""
    generator = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    discriminator = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    losses = {"content": lossforge.Huber(delta=1e3), "critic": (lossforge.LeastSquaresGAN())}
    losses["critic"] = lossforge.Composite({"ls": (0.5, lossforge.LeastSquaresGAN())})
    model = AdversarialModel(generator, discriminator, read, losses)
    model.compile(keras.optimizers.SGD(0.1), discriminator_optimizer=keras.optimizers.SGD(0.2))
    x, y = 2.0, 3.0
    model.fit(np.array([[x]]), np.array([[y]]), verbose=0)
    # discriminator d = 1: real score y d, generated score x g d; losses (yd - 1)^2/2 + (xgd)^2/2
    d = 1.0 - 0.2 * ((y - 1.0) * y + x * x)
    # generator g = 1: content (xg - y)^2/2, critic 0.5 (d x g - 1)^2 / 2
    g = 1.0 - 0.1 * ((x - y) * x + 0.5 * (d * x - 1.0) * d * x)
    np.testing.assert_allclose(np.ravel(discriminator.get_weights()[0]), d, rtol=1e-5)
    np.testing.assert_allclose(np.ravel(generator.get_weights()[0]), g, rtol=1e-5)


@pytest.mark.parametrize(
    ("penalty", "slope_of_penalty"),
    [
        ("r1", lambda d: 3.0 * d),  # gamma / 2 d^2 on real examples
        ("gradient_penalty", lambda d: 3.0 * 2.0 * (abs(d) - 1.0) * np.sign(d)),  # (|d| - 1)^2
    ],
)
def test_a_penalty_pulls_on_the_slope_of_the_discriminator(penalty, slope_of_penalty):
    """A discriminator D(x) = d x has the slope d everywhere: one step by pen and paper."""
    line = lambda start: keras.Sequential(  # noqa: E731
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=start)]
    )
    start = keras.initializers.Constant(1.5)
    generator, discriminator = line("ones"), line(start)
    losses = {"content": lossforge.Huber(delta=1e3), "critic": lossforge.LeastSquaresGAN()}
    model = AdversarialModel(
        generator, discriminator, read, losses, penalty=penalty, penalty_weight=3.0
    )
    model.compile(keras.optimizers.SGD(0.1), discriminator_optimizer=keras.optimizers.SGD(0.01))
    x, y, d = 2.0, 3.0, 1.5
    logs = model.fit(np.array([[x]]), np.array([[y]]), verbose=0).history
    least_squares = (y * d - 1.0) * y + x * x * d
    expected = d - 0.01 * (least_squares + slope_of_penalty(d))
    np.testing.assert_allclose(np.ravel(discriminator.get_weights()[0]), expected, rtol=1e-5)
    size = {"r1": d * d / 2, "gradient_penalty": (d - 1.0) ** 2}[penalty]
    assert logs["penalty"] == pytest.approx([size], rel=1e-5)


@pytest.mark.parametrize(
    "critic",
    [
        lossforge.NonSaturatingGAN(real_label=0.9),
        lossforge.HingeGAN(),
        lossforge.WassersteinGAN(),
        lossforge.RelativisticGAN(average=True),
    ],
    ids=lambda loss: loss.name,
)
def test_a_generator_learns_its_content_while_a_critic_speaks(critic):
    critic = lossforge.Composite({"critic": (0.05, critic)})
    model = adversarial(critic, penalty="gradient_penalty", discriminator_steps=2)
    model.compile(keras.optimizers.Adam(0.05), keras.optimizers.Adam(0.01))
    logs = model.fit(X, Y, epochs=10, verbose=0, validation_data=(X, Y)).history
    assert {"terms/content", "terms/critic", "discriminator_loss", "penalty", "val_loss"} <= set(
        logs
    )
    assert np.all(np.isfinite(logs["discriminator_loss"])) and np.all(np.isfinite(logs["loss"]))
    assert logs["terms/content"][-1] < 0.75 * logs["terms/content"][0]


def test_before_the_warm_up_ends_only_the_discriminator_feels_the_critic():
    def generator_after(critic_weight, callbacks):
        critic = lossforge.Composite({"hinge": (critic_weight, lossforge.HingeGAN())})
        model = adversarial(critic)
        before = weights_of(model.discriminator)
        model.fit(X, Y, batch_size=32, shuffle=False, epochs=1, verbose=0, callbacks=callbacks)
        assert not np.allclose(before[0], weights_of(model.discriminator)[0])
        return weights_of(model.network)[0]

    held = generator_after(5.0, [LossWarmup("critic", begin=100)])
    np.testing.assert_allclose(held, generator_after(1e-9, []), rtol=1e-6)
    assert not np.allclose(held, generator_after(5.0, []), rtol=1e-3)


def test_the_two_optimizers_touch_their_own_weights_only():
    model = adversarial(lossforge.HingeGAN(), discriminator_steps=3, generator_steps=2)
    model.fit(X, Y, batch_size=32, epochs=1, verbose=0)
    assert int(model.optimizer.iterations) == 4
    assert int(model.discriminator_optimizer.iterations) == 6


def test_training_goes_on_bit_equal_after_a_restart(tmp_path):
    def fit(model, epochs, backup):
        backup = keras.callbacks.BackupAndRestore(tmp_path / backup, delete_checkpoint=False)
        model.fit(
            X, Y, batch_size=32, epochs=epochs, shuffle=False, verbose=0,
            callbacks=[backup],
        )  # fmt: skip
        return weights_of(model)

    def adam():
        model = adversarial(lossforge.HingeGAN())
        model.compile("adam")
        return model

    whole = fit(adam(), 4, "whole")
    fit(adam(), 2, "parts")
    for a, b in zip(whole, fit(adam(), 4, "parts"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_arguments_are_named():
    with pytest.raises(UsageError, match="slot 'critic'"):
        AdversarialModel(None, None, read, {"content": lossforge.SmoothL1()})
    with pytest.raises(UsageError, match="penalty must be None"):
        adversarial(lossforge.HingeGAN(), penalty="r3")
    with pytest.raises(UsageError, match="at least 1"):
        adversarial(lossforge.HingeGAN(), discriminator_steps=0)
