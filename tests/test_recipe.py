"""Mistakes in recipes: one clear line each."""

import sys

import pytest

from lossforge import spec
from lossforge.errors import RecipeError, UsageError
from lossforge.recipe import Slot, check_score, find_recipe, load_recipe

GOOD = """
from lossforge import Recipe
def recipe(epochs: int = 1, score="val_AP"):
    return Recipe("x", None, None, {"box": "GIoU()"}, score, epochs, None)
"""


def written(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def recipe(:\n    pass", r"mine.py, line 1: invalid syntax"),
        ("x = 1\ny = nothing\n", r"mine.py, line 2: NameError: name 'nothing'"),
        ("x = 1\n", r"has no function recipe\(\)"),
        ("def recipe():\n    return 3\n", r"must return a lossforge.Recipe, got int"),
        ("def recipe():\n    return 1 / 0\n", r"mine.py, line 2: ZeroDivisionError"),
        (GOOD.replace("= 1", "= 0"), r"epochs must be a whole number of at least 1, got 0"),
    ],
)
def test_a_broken_recipe_is_named_with_its_line(tmp_path, text, says):
    with pytest.raises(RecipeError, match=says):
        load_recipe(written(tmp_path, text))


def test_a_missing_recipe_lists_those_that_exist():
    with pytest.raises(RecipeError, match="no recipe file 'nothing.py'.*recipes/retinanet.py"):
        load_recipe("nothing.py")


def test_installed_recipes_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe("recipes/retinanet.py").is_file()


def test_settings_reach_the_recipe_and_unknown_ones_are_refused(tmp_path):
    path = written(tmp_path, GOOD)
    assert load_recipe(path, {"epochs": 3}).epochs == 3
    with pytest.raises(UsageError, match="epoch.*Did you mean 'epochs'"):
        load_recipe(path, {"epoch": 3})


@pytest.mark.parametrize("score", ["val_loss", "loss", "val_terms/box", "val_loss_x", "AP50"])
def test_a_score_that_is_a_loss_or_of_training_is_refused(tmp_path, score):
    with pytest.raises(UsageError, match="validation split"):
        check_score(score)
    with pytest.raises(UsageError):
        load_recipe(written(tmp_path, GOOD), {"score": score})


def test_a_slot_binds_its_arguments_all_the_way_down():
    slot = Slot("c", ("multilabel",), {"from_logits": True, "reduction": "sum", "task": None})
    loss = slot.fit(spec.parse("HardExamples(Focal(gamma=1.0), keep=0.5) + 2.0*CrossEntropy()"))
    leaves = dict(loss.leaves())
    hard = leaves["hard_examples"]
    assert hard.reduction == "sum" and hard.loss.from_logits and hard.loss.gamma == 1.0
    assert leaves["cross_entropy"].from_logits and loss.weights["cross_entropy"] == 2.0


def test_a_loss_of_another_kind_does_not_fit_a_slot():
    with pytest.raises(RecipeError, match="Slot 'c' takes losses of the kinds multilabel; GIoU"):
        Slot("c", ("multilabel",)).fit(spec.parse("GIoU()"))


def test_a_recipe_imports_what_lies_beside_it_and_so_does_its_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    home, copy = tmp_path / "project", tmp_path / "run" / "recipe.py"
    home.mkdir()
    copy.parent.mkdir()
    (home / "beside_this_recipe.py").write_text("EPOCHS = 7\n")
    text = (
        "from beside_this_recipe import EPOCHS\nfrom lossforge import Recipe\n"
        "def recipe(): return Recipe('r', None, None, {}, 'val_x', EPOCHS, None)\n"
    )
    (home / "recipe.py").write_text(text)
    copy.write_text(text)
    assert load_recipe(home / "recipe.py").epochs == 7
    sys.path.remove(str(home))
    monkeypatch.delitem(sys.modules, "beside_this_recipe")
    with pytest.raises(RecipeError, match="No module named 'beside_this_recipe'"):
        load_recipe(copy)
    assert load_recipe(copy, beside=home).epochs == 7
