"""Everything that a layer remembers: it trains, stands still, is saved, restored, distributed."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge import heads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("float32")
IDS = np.resize([0, 1, 2, 0, 0, 2, 1, 0], 24).astype("int32")
INDEX = np.arange(24, dtype="int32")
STATEFUL = {
    "queue": (lambda: heads.KeyQueue(12), "keys"),
    "centre": (lambda: heads.RunningCentre(0.8), "alone"),
    "memory": (lambda: heads.CrossBatchMemory(lossforge.Contrastive(), size=12), "ids"),
    "targets": (lambda: heads.RunningTargets(24, 3, decay=0.5), "index"),
    "counts": (heads.RunningClassCounts, "ids"),
    "histogram": (lambda: heads.RunningHistogram(bins=4, momentum=0.5), "ids"),
    "gradients": (heads.RunningGradients, "ids"),
}


def built(name):
    """A model that ends in the layer, with a loss that reads what it puts out."""
    keras.utils.set_random_seed(0)
    make, second = STATEFUL[name]
    layer = make()
    x, extra = keras.Input((4,)), keras.Input((), dtype="int32")
    hidden = keras.layers.Dense(3)(x)
    read = {"keys": [hidden, keras.layers.Dense(3, trainable=False)(x)], "alone": hidden}
    outputs = layer(read.get(second, [hidden, extra]))
    model = keras.Model([x, extra], outputs)
    losses = {
        "queue": lossforge.TargetFirst(lossforge.CrossEntropy(from_logits=True)),
        "memory": lossforge.Contrastive(),
        "targets": lossforge.ELR(),
        "counts": lossforge.RunningSeesaw(),
        "histogram": lossforge.WeightedSigmoid(),
        "gradients": lossforge.WeightedSigmoid(sum_classes=True),
    }
    model.compile(keras.optimizers.SGD(0.1), losses.get(name, lossforge.MSE()))
    targets = X[:, :3] if name == "centre" else IDS
    return model, layer, [X, INDEX if second == "index" else IDS], targets


def state_of(layer):
    return [ops.convert_to_numpy(v).copy() for v in layer.non_trainable_variables]


@pytest.mark.parametrize("name", STATEFUL)
def test_it_moves_in_training_and_stands_still_in_evaluation(name):
    model, layer, inputs, targets = built(name)
    start = state_of(layer)
    model.fit(inputs, targets, batch_size=6, verbose=0)
    trained = state_of(layer)
    assert trained and any(not np.array_equal(a, b) for a, b in zip(start, trained, strict=True))
    assert all(np.all(np.isfinite(v)) for v in trained)
    model.evaluate(inputs, targets, verbose=0)
    model.predict(inputs, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(trained, state_of(layer), strict=True))


@pytest.mark.parametrize("name", STATEFUL)
def test_it_is_saved_restored_and_goes_on_from_there(name, tmp_path):
    model, layer, inputs, targets = built(name)
    model.fit(inputs, targets, batch_size=6, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    restored = again.layers[-1]
    assert restored.get_config() == layer.get_config()
    assert all(
        np.array_equal(a, b) for a, b in zip(state_of(layer), state_of(restored), strict=True)
    )
    for one in (model, again):
        one.fit(inputs, targets, batch_size=6, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", STATEFUL)
def test_no_optimizer_trains_it(name):
    _, layer, *_ = built(name)
    assert layer.trainable_variables == []


def test_counts_are_those_of_the_labels_seen():
    model, layer, inputs, targets = built("counts")
    model.fit(inputs, targets, batch_size=6, epochs=2, verbose=0)
    assert state_of(layer)[0].tolist() == (2 * np.bincount(IDS)).tolist()


def test_a_histogram_without_momentum_is_the_loss_of_the_batch():
    logits, labels = RNG.normal(0, 2, (8, 5)), RNG.integers(0, 2, (8, 5)).astype(float)
    weighted = heads.RunningHistogram(bins=4, momentum=0.0)([logits, labels], training=True)
    expected = lossforge.GHMC(bins=4, from_logits=True)(labels, logits)
    actual = lossforge.WeightedSigmoid()(labels, weighted)
    np.testing.assert_allclose(float(actual), float(expected), rtol=1e-5)


def test_a_histogram_follows_the_bins_that_a_batch_fills():
    layer = heads.RunningHistogram(bins=2, momentum=0.75)
    easy, hard = np.full((1, 4), 5.0), np.array([[5.0, 5.0, 5.0, -5.0]])
    layer([easy, np.ones((1, 4))], training=True)
    assert state_of(layer)[0].tolist() == [4.0, 0.0]
    out = layer([hard, np.ones((1, 4))], training=True)
    assert state_of(layer)[0].tolist() == [0.75 * 4 + 0.25 * 3, 1.0]
    np.testing.assert_allclose(ops.convert_to_numpy(out)[0, 1], [4 / 7.5] * 3 + [2.0], rtol=1e-6)


def test_gradients_of_own_and_other_examples_balance_a_class():
    """The paper's equations, one example and class at a time."""
    layer = heads.RunningGradients(mu=0.8, gamma=12.0, alpha=4.0)
    pulled, pushed = np.zeros(3), np.zeros(3)
    for step in range(3):
        z, labels = RNG.normal(size=(4, 3)), RNG.integers(0, 3, 4)
        out = ops.convert_to_numpy(layer([z, labels], training=True))
        before = pulled.copy(), pushed.copy()
        for i in range(4):
            for c in range(3):
                g = before[0][c] / before[1][c] if step else 100.0
                r = 1 / (1 + np.exp(-12 * (g - 0.8)))
                w = 1 + 4 * (1 - r) if labels[i] == c else r
                np.testing.assert_allclose(out[i, 1, c], w, rtol=1e-3, atol=1e-6)
                slope = w * abs(1 / (1 + np.exp(-z[i, c])) - (labels[i] == c))
                (pulled if labels[i] == c else pushed)[c] += slope
        pulled, pushed = (np.where(v == 0, 1e-30, v) for v in (pulled, pushed))
    np.testing.assert_allclose(state_of(layer)[1], pushed, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: heads.RunningHistogram(bins=0), "bins must be a whole number >= 1, got 0"),
        (lambda: heads.RunningHistogram(momentum=1.0), r"momentum must be in \[0, 1\), got 1.0"),
        (lambda: heads.RunningGradients(gamma=0.0), "gamma must be > 0, got 0.0"),
        (lambda: heads.RunningGradients(alpha=-1.0), "alpha must be >= 0, got -1.0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


REPLICAS = """
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [device, device])
    import sys
    sys.path.insert(0, {folder!r})
    import test_state as t

    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name in t.STATEFUL:
        states, weights = [], []
        for strategy in (tf.distribute.get_strategy(), two):
            with strategy.scope():
                model, layer, inputs, targets = t.built(name)
            data = tf.data.Dataset.from_tensor_slices((tuple(inputs), targets)).batch(12)
            model.fit(data, epochs=2, verbose=0)
            states.append(t.state_of(layer))
            weights.append(model.get_weights())
        if name == "memory":  # pairs within the batch stay within a replica: other weights
            _, classes, filled, _ = states[1]
            assert filled.tolist() == [1.0] * 12 and classes.tolist() == t.IDS[12:].tolist()
        else:
            for one, both in zip(weights[0], weights[1], strict=True):
                np.testing.assert_allclose(both, one, rtol=1e-3, atol=1e-4, err_msg=name)
        print(name, "held")
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
def test_two_replicas_remember_like_one():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = textwrap.dedent(REPLICAS).format(folder=os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[:-1] == [f"{name} held" for name in STATEFUL]
