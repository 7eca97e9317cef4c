"""The memory of early-learning regularisation moves in training only and is saved."""

import keras
import numpy as np
import pytest

import lossforge
from lossforge.heads.running_targets import RunningTargets

X = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]], "float32")
INDEX = np.arange(3, dtype="int32")
LABELS = np.array([0, 1, 0])


def built():
    x, index = keras.Input((2,)), keras.Input((), dtype="int32")
    dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="identity")
    layer = RunningTargets(num_examples=5, num_classes=2, decay=0.5)
    model = keras.Model([x, index], layer([dense(x), index]))
    model.compile(keras.optimizers.SGD(0.0), lossforge.ELR())
    return model, layer


def softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def test_training_moves_the_memory_of_the_examples_seen():
    model, layer = built()
    model.fit([X, INDEX], LABELS, batch_size=3, epochs=2, verbose=0)
    memory = np.asarray(layer.memory)
    np.testing.assert_allclose(memory[:3], 0.75 * softmax(X), rtol=1e-5)  # 1/2 + 1/4
    assert np.all(memory[3:] == 0)


def test_the_loss_in_training_reads_the_memory():
    model, _ = built()
    history = model.fit([X, INDEX], LABELS, batch_size=3, epochs=1, verbose=0)
    p = softmax(X)
    expected = -np.log(p[INDEX, LABELS]) + 3 * np.log(1 - 0.9999 * np.sum(p * 0.5 * p, -1))
    assert history.history["loss"][0] == pytest.approx(expected.mean(), rel=1e-5)


def test_evaluation_neither_moves_nor_reads_the_memory():
    model, layer = built()
    model.fit([X, INDEX], LABELS, batch_size=3, epochs=1, verbose=0)
    before = np.array(layer.memory)
    loss = model.evaluate([X, INDEX], LABELS, verbose=0)
    model.predict([X, INDEX], verbose=0)
    assert np.array_equal(np.asarray(layer.memory), before)
    assert loss == pytest.approx(-np.log(softmax(X)[INDEX, LABELS]).mean(), rel=1e-5)


def test_the_memory_is_saved_with_the_model(tmp_path):
    model, layer = built()
    model.fit([X, INDEX], LABELS, batch_size=3, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(np.asarray(again.layers[-1].memory), np.asarray(layer.memory))
    assert again.layers[-1].decay == 0.5
    assert isinstance(again.loss, lossforge.ELR)


def test_the_optimizer_does_not_train_the_memory():
    _, layer = built()
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 1


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_examples must be at least 1, got 0"):
        RunningTargets(num_examples=0, num_classes=2)
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1"):
        RunningTargets(num_examples=1, num_classes=2, decay=1)


def test_the_loss_says_what_it_reads():
    with pytest.raises(ValueError, match="as from RunningTargets"):
        lossforge.ELR()(LABELS, X)
