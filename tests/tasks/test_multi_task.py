"""Several questions about one input: the data, the scores, and the recipe."""

import keras
import numpy as np
import pytest

from lossforge.data.turned_digits import load_turned_digits, stroke_thickness, turned
from lossforge.errors import RecipeError
from lossforge.recipe import load_recipe
from lossforge.tasks.multi_task import MultiTask
from lossforge.training.train import train


def bars(width):
    """A vertical bar `width` pixels wide in an 8 x 8 picture, soft at its edges."""
    left = np.clip(4 + width / 2 - np.arange(8), 0, 1) * np.clip(
        np.arange(8) + 1 - 4 + width / 2, 0, 1
    )
    return np.broadcast_to(left, (8, 8))


def test_the_thickness_of_a_bar_is_its_width():
    found = stroke_thickness(np.stack([bars(2.0), bars(4.0)]))
    np.testing.assert_allclose(found, [25.0, 50.0], rtol=0.1)


def test_a_picture_turns_anticlockwise_by_its_angle():
    bar = bars(2.0)[None]
    eighth = turned(bar, np.full(1, 0.125))[0]
    assert np.argmax(eighth[5]) < np.argmax(eighth[10])  # the upper end has gone to the left
    back = turned(bar, np.full(1, -0.125))[0]
    np.testing.assert_allclose(eighth, back[:, ::-1], atol=1e-5)


def test_no_digit_is_in_two_splits_and_only_training_follows_the_seed():
    first, second = (load_turned_digits(seed, views=1) for seed in (0, 1))
    sizes = [sum(len(x) for x, _ in split) for split in (first.validation, first.test)]
    assert sizes == [900, 1500]
    for name in ("validation", "test"):
        a, b = (next(iter(getattr(data, name)))[1] for data in (first, second))
        np.testing.assert_array_equal(a["angle"], b["angle"])
    a, b = (next(iter(data.train.unbatch().batch(960)))[1] for data in (first, second))
    assert not np.array_equal(np.sort(a["angle"][:, 0]), np.sort(b["angle"][:, 0]))


def test_skill_is_one_without_error_and_zero_for_a_constant():
    inputs = keras.Input((3,))
    task = MultiTask(keras.Model(inputs, {"kind": inputs, "size": inputs[:, :1]}))
    assert task.slots["kind"].kinds == ("multiclass",) and task.slots["size"].kinds == (
        "regression",
    )
    kinds, sizes = np.array([0, 1, 2, 2]), np.array([[0.0], [1.0], [2.0], [5.0]], "float32")

    def scores(kind, size):
        task.predict = lambda _: {"kind": np.eye(3)[kind], "size": np.asarray(size)[:, None]}
        return task.evaluate([(sizes, {"kind": kinds, "size": sizes})])

    right = scores(kinds, sizes[:, 0])
    assert right["kind_accuracy"] == 1.0 and right["size_mae"] == 0.0
    assert right["mean_skill"] == right["worst_skill"] == 1.0
    constant = scores([2] * 4, [1.5] * 4)
    assert constant["kind_skill"] == 0.0 and constant["size_skill"] == pytest.approx(0.0)
    half = scores([0, 1, 2, 0], [1.5] * 4)
    assert half["kind_skill"] == pytest.approx(0.5) and half["mean_skill"] == pytest.approx(0.25)


def test_the_recipe_learns_and_its_export_predicts_alike(tmp_path):
    recipe = load_recipe("recipes/multi_task.py", {"filters": 8})
    outcome = train(recipe, epochs=1, balance="Magnitude()")
    assert outcome.metrics["val_mean_skill"] > 0.1  # one epoch of ten
    images = np.random.default_rng(0).uniform(size=(3, 16, 16, 1)).astype("float32")
    expected = outcome.task.predict(images)
    outcome.task.export(tmp_path)
    loaded = __import__("tensorflow").saved_model.load(str(tmp_path))
    for name, value in loaded.serve(images).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4, rtol=1e-4)


def test_wrong_arguments_are_named():
    with pytest.raises(RecipeError, match="most_degrees must be from 1 to 90"):
        load_turned_digits(most_degrees=120)
    inputs = keras.Input((3,))
    with pytest.raises(RecipeError, match="outputs are a dict"):
        MultiTask(keras.Model(inputs, inputs))
