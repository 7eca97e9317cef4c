import keras
import numpy as np
import pytest
import tensorflow as tf

from lossforge.tasks.classification import Classification, scores_of


def test_scores_equal_counts_made_by_hand():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 200)
    labels = rng.integers(0, 3, 200)
    found = scores_of(probabilities, labels, bins=10)
    hits = [int(np.argmax(p)) == y for p, y in zip(probabilities, labels, strict=True)]
    assert found["accuracy"] == pytest.approx(sum(hits) / 200)
    by_class = [[h for h, y in zip(hits, labels, strict=True) if y == c] for c in range(3)]
    assert found["balanced_accuracy"] == pytest.approx(sum(sum(h) / len(h) for h in by_class) / 3)
    error = 0.0
    for low in range(10):
        inside = [i for i, p in enumerate(probabilities) if low <= max(p) * 10 < low + 1]
        if inside:
            confidence = sum(max(probabilities[i]) for i in inside) / len(inside)
            accuracy = sum(hits[i] for i in inside) / len(inside)
            error += len(inside) / 200 * abs(confidence - accuracy)
    assert found["calibration_error"] == pytest.approx(error)


def test_the_exported_model_gives_what_predict_gives(tmp_path):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    task = Classification(network, "abc", class_counts=(3, 2, 1))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    expected = task.predict(x)
    task.export(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    found = loaded.serve(x)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-6)
    assert (found["classes"].numpy() == expected["classes"]).all()


def test_the_confusion_matrix_and_the_curves_are_those_of_the_split():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    network.layers[0].set_weights([np.array([[9.0, 0, 0], [0, 9.0, 0]]), np.zeros(3)])
    x = np.array([[1, 0], [1, 0], [0, 1], [-1, -1]], "float32")
    dataset = [(x, np.array([0, 1, 1, 2]))]  # the second is taken for class 0
    task = Classification(network, ("a", "b", "c"))
    picture = task.pictures(dataset)["confusion"]
    assert picture.dtype == np.uint8 and picture.ndim == 3
    curves = task.curves(dataset)
    assert set(curves) == {"class_a", "class_b", "class_c"}
    yes, scores = curves["class_b"]
    assert yes.tolist() == [False, True, True, False] and scores[2] > 0.99 > scores[1]
