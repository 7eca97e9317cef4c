"""A small copy of a recipe's problem, and the space of what was found on it."""

from pathlib import Path

import numpy as np
import pytest

from lossforge import Formula, spec
from lossforge.errors import RecipeError
from lossforge.recipe import load_recipe
from lossforge.search.space import SpaceFile
from lossforge.search.symbolic.proposers import Trained
from lossforge.search.symbolic.recipe_proxy import proxy_of, space_text


def test_the_copy_has_the_recipes_own_data():
    recipe = load_recipe("recipes/digits.py", {"noise": 0.4})
    proxy, slot = proxy_of(recipe)
    assert slot.name == "classes" and proxy.domain.kind == "multiclass" and proxy.logits
    assert proxy.x.shape == (600, 64) and proxy.y.shape == (600, 10)
    assert len(proxy.x_seen) == len(proxy.y_seen) == 400
    assert abs(proxy.x.mean()) < 1e-3 and np.all(proxy.y.sum(1) == 1)


def test_a_recipe_without_classes_is_refused_with_its_kinds():
    with pytest.raises(RecipeError, match="--formulas searches losses of the kinds multiclass"):
        proxy_of(load_recipe("recipes/triplet.py"))


def test_the_space_holds_formulas_beside_the_recipes_losses(tmp_path):
    recipe = load_recipe("recipes/digits.py")
    slots = recipe.task(recipe.data(0)).slots
    found = [Trained(("abs", ("sub", "y", "p")), 0.9), Trained(("mul", "y", "p"), 0.1)]
    path = Path(tmp_path) / "space.py"
    path.write_text(space_text(slots["classes"], "multiclass", found, ["CrossEntropy()"]))

    class Trial:
        def suggest_categorical(self, name, options):
            assert name == "classes"
            return options[self.number]

    trial = Trial()
    losses = []
    for trial.number in range(3):
        losses.append(SpaceFile(path, slots).suggest(trial).losses["classes"])
    assert spec.text(losses[0]) == "CrossEntropy()"
    assert all(isinstance(loss, Formula) and loss.from_logits for loss in losses[1:])
    assert losses[1].formula == "abs(y - p)"
