"""Layers that remember: what they hold in training, evaluation and after a restore."""

import keras
import numpy as np
import pytest
from keras import ops

import lossforge
from lossforge.heads import CrossBatchMemory, KeyQueue, RunningCentre, SampledCosineHead
from lossforge.heads.sampled_cosine_head import NEVER

RNG = np.random.default_rng(0)


def numpy(x):
    return ops.convert_to_numpy(x)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_the_centre_is_the_running_mean_of_what_was_seen_before():
    layer, centre = RunningCentre(decay=0.9), np.zeros(3)
    for _ in range(4):
        x = RNG.normal(size=(5, 3))
        np.testing.assert_allclose(numpy(layer(x, training=True)), x - centre, rtol=1e-4, atol=1e-5)
        centre = 0.9 * centre + 0.1 * x.mean(axis=0)
    before = numpy(layer.centre)
    np.testing.assert_allclose(before, centre, rtol=1e-4, atol=1e-5)
    layer(x)
    assert np.array_equal(numpy(layer.centre), before), "evaluation moves nothing"


def test_the_queue_holds_the_latest_keys_as_negatives():
    layer = KeyQueue(size=5, temperature=0.5)
    batches = [RNG.normal(size=(2, 3)) for _ in range(4)]
    for keys in batches:
        logits = numpy(layer([keys, keys], training=True))
        np.testing.assert_allclose(logits[:, 0], 2.0, rtol=1e-5)
    query = RNG.normal(size=(1, 3))
    logits = numpy(layer([query, query]))[0, 1:]
    latest = unit(np.concatenate(batches)[-5:])
    np.testing.assert_allclose(np.sort(logits), np.sort(latest @ unit(query)[0] / 0.5), rtol=1e-5)


def test_the_memory_adds_the_loss_against_earlier_batches():
    loss = lossforge.Contrastive(margin=3.0, distance="chord")
    layer = CrossBatchMemory(loss, size=6, weight=0.5)
    x, ids = RNG.normal(size=(9, 3)), np.array([0, 1, 0, 1, 2, 2, 0, 1, 2])
    for start in (0, 3, 6):
        rows = slice(start, start + 3)
        same = numpy(layer([x[rows], ids[rows]], training=True))
        assert np.array_equal(same, x[rows].astype("float32"))
    # The third batch of three against the six before it: the rows of its anchors in the whole.
    whole = loss.pair_values(
        ops.convert_to_tensor(x, "float32"),
        ops.convert_to_tensor((ids[:, None] == ids) & ~np.eye(9, dtype=bool)),
        ops.convert_to_tensor(ids[:, None] != ids),
    )
    np.testing.assert_allclose(layer.losses[0], 0.5 * numpy(whole)[6:].mean(), rtol=1e-5)
    held = {tuple(row) for row in numpy(layer.memory).round(4).tolist()}
    assert held == {tuple(row) for row in x[3:].astype("f").round(4).tolist()}
    layer([x[:3], ids[:3]])
    assert not layer.losses


def test_memories_train_evaluate_save_and_restore_with_the_model(tmp_path):
    keras.utils.set_random_seed(0)
    inputs, ids = keras.Input((4,)), keras.Input((), dtype="int32")
    embedding = keras.layers.Dense(3)(inputs)
    remembered = CrossBatchMemory(lossforge.SupCon(), size=8)([embedding, ids])
    model = keras.Model([inputs, ids], RunningCentre()(remembered))
    model.compile("sgd", loss=lossforge.SupCon())
    x, y = RNG.normal(size=(32, 4)), RNG.integers(0, 4, 32)
    model.fit([x, y], y, batch_size=4, epochs=2, verbose=0)
    state = [w.copy() for w in model.get_weights()]
    assert any(np.array_equal(w, np.ones(8)) for w in state), "the memory is full"
    value = model.evaluate([x, y], y, verbose=0)
    for before, after in zip(state, model.get_weights(), strict=True):
        assert np.array_equal(before, after)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for before, after in zip(state, again.get_weights(), strict=True):
        assert np.array_equal(before, after)
    np.testing.assert_allclose(again.evaluate([x, y], y, verbose=0), value, rtol=1e-5)


def test_sampled_columns_are_own_class_the_batch_and_other_classes():
    head = SampledCosineHead(50, sampled=12, seed=1)
    x, labels = RNG.normal(size=(4, 3)), np.array([7, 3, 7, 49])
    cosines = numpy(head([x, labels], training=True))
    every = unit(x) @ unit(numpy(head.directions)).T
    for i, row in enumerate(cosines):
        np.testing.assert_allclose(row[0], every[i, labels[i]], rtol=1e-4, atol=1e-5)
        seen = row[1:][row[1:] > NEVER]
        allowed = np.delete(every[i], labels[i])
        assert all(np.abs(allowed - c).min() < 1e-5 for c in seen)
        assert len(np.unique(seen.round(6))) == len(seen), "no class twice"
    assert {*np.flatnonzero(cosines[0, 1:5] > NEVER)} == {1, 3}


def test_the_sample_is_new_each_step_without_repetition_and_reaches_every_class():
    head = SampledCosineHead(10, sampled=4, seed=0)
    draws = [numpy(head.sample()) for _ in range(60)]
    assert all(len(set(d.tolist())) == 4 and d.min() >= 0 and d.max() < 10 for d in draws)
    assert {int(c) for d in draws for c in d} == set(range(10))


def test_all_classes_sampled_is_the_dense_margin_loss():
    """At evaluation the softmax runs over all classes, as CosineHead and the plain loss have it."""
    head = SampledCosineHead(6, sampled=6, seed=0)
    x, labels = RNG.normal(size=(5, 3)), np.array([0, 5, 2, 2, 1])
    loss = lossforge.TargetFirst(lossforge.ArcFace(scale=16.0))
    for training in (False, True):
        actual = float(loss(labels, head([x, labels], training=training)))
        cosines = unit(x) @ unit(numpy(head.directions)).T
        expected = float(lossforge.ArcFace(scale=16.0)(labels, cosines))
        np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_a_sampled_head_trains_and_only_moves_the_classes_it_saw():
    keras.utils.set_random_seed(0)
    inputs, ids = keras.Input((4,)), keras.Input((), dtype="int32")
    head = SampledCosineHead(100, sampled=5, seed=3)
    model = keras.Model([inputs, ids], head([inputs, ids]))
    model.compile(keras.optimizers.SGD(0.1), loss=lossforge.TargetFirst(lossforge.CosFace()))
    before = numpy(head.directions).copy()
    x, y = RNG.normal(size=(4, 4)), np.array([1, 2, 3, 4])
    model.fit([x, y], y, verbose=0)
    moved = np.flatnonzero(np.any(numpy(head.directions) != before, axis=-1))
    assert {1, 2, 3, 4} <= set(moved.tolist()) and len(moved) <= 9
    assert model.evaluate([x, y], y, verbose=0) > 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SampledCosineHead(0, 1), "num_classes must be a whole number >= 1, got 0"),
        (lambda: SampledCosineHead(5, 6), r"sampled must be a whole number in \[1, 5\], got 6"),
        (lambda: RunningCentre(decay=1.0), r"decay must be in \[0, 1\), got 1.0"),
        (lambda: KeyQueue(0), "KeyQueue: size must be a whole number >= 1, got 0"),
        (lambda: KeyQueue(4, temperature=0.0), "temperature must be > 0, got 0.0"),
        (lambda: CrossBatchMemory(lossforge.MAE()), "must be an in-batch loss of embeddings"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
