"""Tags of sequences: the layer of transitions learns, is saved, and the best tags are found."""

import itertools

import keras
import numpy as np
from keras import ops

import lossforge
from lossforge.heads.transitions import Transitions, best_tags


def test_best_tags_have_the_largest_score_of_all():
    rng = np.random.default_rng(0)
    outputs, lengths = rng.normal(size=(5, 4 + 3, 3)), np.array([4, 1, 2, 3, 4])
    found = ops.convert_to_numpy(best_tags(outputs, lengths))
    for rows, length, tags in zip(outputs, lengths, found, strict=True):
        frames, after = rows[:4], rows[4:]

        def score(path, frames=frames, after=after):
            moves = sum(after[i, j] for i, j in itertools.pairwise(path))
            return moves + sum(frames[t, tag] for t, tag in enumerate(path))

        best = max(itertools.product(range(3), repeat=int(length)), key=score)
        assert tuple(tags[:length]) == best
        assert np.all(tags[length:] == -1)


def test_transitions_learn_what_frames_do_not_tell(tmp_path):
    """Tag 1 always follows tag 0 and the other way round; only the first frame says which."""
    keras.utils.set_random_seed(0)
    first = np.random.default_rng(0).integers(0, 2, 64)
    tags = (first[:, None] + np.arange(6)) % 2
    x = np.zeros((64, 6, 2), "float32")
    x[np.arange(64), 0, first] = 1.0
    inputs = keras.Input((6, 2))
    frames = keras.layers.Dense(2, use_bias=False)(inputs)
    model = keras.Model(inputs, Transitions()(frames))
    model.compile(keras.optimizers.Adam(0.1), lossforge.CRF())
    model.fit(x, tags, epochs=20, batch_size=32, verbose=0)
    assert np.array_equal(ops.convert_to_numpy(best_tags(model.predict(x, verbose=0))), tags)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.evaluate(x, tags, verbose=0), model.evaluate(x, tags, verbose=0)
    )
