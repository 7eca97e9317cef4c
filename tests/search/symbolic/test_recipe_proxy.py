"""A small copy of a recipe's problem, and the space of what was found on it."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from optuna.trial import FixedTrial
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image

from lossforge import Formula, spec
from lossforge.errors import RecipeError
from lossforge.recipe import Reading, Recipe, Slot, load_recipe
from lossforge.search.derived_space import candidates
from lossforge.search.space import read_space
from lossforge.search.symbolic.find_formulas import report_of
from lossforge.search.symbolic.formula_search import search_formulas
from lossforge.search.symbolic.recipe_proxy import loss_text, proxy_of


def test_the_copy_has_the_recipes_own_data():
    recipe = load_recipe("recipes/digits.py", {"noise": 0.4})
    proxy, slot = proxy_of(recipe)
    assert slot.name == "classes" and proxy.domain.kind == "multiclass" and proxy.logits
    assert proxy.x.shape == (600, 64) and proxy.y.shape == (600, 10)
    assert len(proxy.x_seen) == len(proxy.y_seen) == 400
    assert abs(proxy.x.mean()) < 1e-3 and np.all(proxy.y.sum(1) == 1)


def small_recipe(inputs, targets, slot, read=None, batch=32):
    """A recipe of arrays; two thirds are for training."""
    cut = 2 * len(inputs) // 3 // batch * batch

    def split(part):
        arrays = (inputs[part], tree_map(lambda t: t[part], targets))
        return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)

    data = SimpleNamespace(train=split(slice(0, cut)), validation=split(slice(cut, None)))
    return Recipe(
        name="small",
        data=lambda seed: data,
        task=lambda data: SimpleNamespace(slots={slot.name: slot}, read=read),
        losses={slot.name: "MAE()"},
        score="val_x",
        epochs=4,
        optimizer=lambda steps: None,
    )


def tree_map(change, targets):
    if isinstance(targets, dict):
        return {name: change(value) for name, value in targets.items()}
    return change(targets)


def digits():
    x, ids = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), ids.astype("int32")


def of_kind(kind):
    """A small recipe of real data whose slot reads a kind."""
    x, ids = digits()
    images = x.reshape(-1, 8, 8, 1)
    if kind == "binary":
        x, bits = load_breast_cancer(return_X_y=True)
        x = ((x - x.mean(0)) / x.std(0)).astype("float32")
        return small_recipe(x, bits.astype("float32"), Slot("benign", ("binary",)))
    if kind == "multilabel":
        bits = np.stack([ids % 2 == 0, ids > 4, ids % 3 == 0], axis=1).astype("float32")
        return small_recipe(x, bits, Slot("bits", ("multilabel",), {"from_logits": True}))
    if kind == "embedding":
        order = np.argsort(ids, kind="stable").reshape(-1)[:1760].reshape(10, -1, 4)
        order = order.transpose(1, 0, 2).reshape(-1)  # 4 of each digit in 40
        slot = Slot("embedding", ("embedding", "cosine_logits"))
        return small_recipe(images[order], ids[order], slot, batch=40)
    if kind == "boxes":
        rng, corner = np.random.default_rng(0), 12
        scenes, boxes = np.zeros((600, 32, 32, 1), "float32"), np.zeros((600, 2, 4), "float32")
        for scene, box, digit in zip(scenes, boxes, images, strict=False):
            low = rng.integers(0, corner, 2)
            row, column = low
            scene[row : row + 16, column : column + 16] = digit.repeat(2, 0).repeat(2, 1)
            box[0] = [column, row, column + 16, row + 16]
        labels = np.tile([1, -1], (600, 1))
        slot = Slot("box", ("boxes", "regression"))
        return small_recipe(scenes, {"boxes": boxes, "labels": labels}, slot)
    if kind == "image":
        photograph = load_sample_image("china.jpg")[:384, :640].astype("float32") / 255
        high = photograph.reshape(12, 32, 20, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
        noisy = high + np.random.default_rng(0).normal(0.0, 0.1, high.shape).astype("float32")

        def read(target, output):
            return {"image": {"image": Reading(target, output)}}

        return small_recipe(noisy, high, Slot("image", ("image", "regression")), read)
    masks = (images > 0.5).astype("float32")
    noisy = images + np.random.default_rng(0).normal(0.0, 0.3, images.shape).astype("float32")
    pad = ((0, 0), (4, 4), (4, 4), (0, 0))
    return small_recipe(np.pad(noisy, pad), np.pad(masks, pad), Slot("mask", ("mask",)))


BETTER_THAN = {
    "binary": 0.85, "multilabel": 0.75, "embedding": 0.8, "boxes": 0.5, "image": 0.2, "mask": 0.7
}  # fmt: skip


@pytest.mark.parametrize("kind", BETTER_THAN)
def test_a_copy_of_every_kind_is_learned_with_its_named_losses(kind):
    proxy, slot = proxy_of(of_kind(kind))
    assert proxy.domain.kind == kind and kind in slot.kinds
    assert len(proxy.x) == len(proxy.y) and len(proxy.x_seen) == len(proxy.y_seen) > 100
    trained = proxy.scores(list(proxy.named.values()), proxy.training)
    assert trained.max() > BETTER_THAN[kind], dict(zip(proxy.named, trained, strict=True))
    untrained = replace(proxy.training, steps=1)
    assert np.all(proxy.scores(list(proxy.named.values())[:1], untrained) < trained.max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", BETTER_THAN)
def test_a_search_of_every_kind_is_no_worse_than_what_it_starts_from(kind):
    proxy, slot = proxy_of(of_kind(kind))
    quick = replace(proxy, training=replace(proxy.training, steps=100))
    found = search_formulas(quick, trainings=96, seed=0)
    loss = Formula(found.best.text, task=kind, from_logits=proxy.logits)
    assert set(loss.kinds) & set(slot.kinds)
    assert slot.fit(spec.parse(loss_text(slot, kind, found.best.tree)))
    report = report_of("small", proxy, {"evolution": found})
    for part in ("## Size against score", "## Filters", "## The winner", "class FoundLoss"):
        assert part in report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "kind"), [("triplet", "embedding"), ("srresnet", "image"), ("digits", "multiclass")]
)
def test_shipped_recipes_have_a_copy(recipe, kind):
    proxy, slot = proxy_of(load_recipe(f"recipes/{recipe}.py"))
    assert proxy.domain.kind == kind and len(proxy.x) > 500


@pytest.mark.parametrize(
    ("inputs", "targets", "kinds"),
    [
        (np.zeros((96, 4), "float32"), np.zeros((96, 4), "float32"), ("views",)),
        (np.zeros((96, 4), "float32"), {"words": np.zeros(96)}, ("boxes",)),
        (np.zeros((96, 8, 8, 1), "float32"), np.zeros(96), ("image",)),
    ],
)
def test_a_recipe_that_has_no_copy_is_refused_with_the_kinds_of_its_slots(inputs, targets, kinds):
    with pytest.raises(RecipeError, match=f"'small' has none: .* read {kinds[0]}"):
        proxy_of(small_recipe(inputs, targets, Slot("s", kinds)))


def test_inputs_that_are_too_large_are_refused():
    recipe = small_recipe(np.zeros((96, 5000), "float32"), np.arange(96), Slot("s", ("binary",)))
    with pytest.raises(RecipeError, match="at most 4096 numbers; those of 'small' have 5000"):
        proxy_of(recipe)


def test_data_that_is_no_dataset_is_refused():
    recipe = replace(
        small_recipe(np.zeros((96, 4)), np.zeros(96), Slot("s", ("binary",))),
        data=lambda seed: SimpleNamespace(train=[1, 2], validation=[3]),
    )
    with pytest.raises(RecipeError, match="reads tf.data datasets; 'small' has list"):
        proxy_of(recipe)


def test_formulas_beside_other_slots_pull_as_hard_as_a_usual_loss():
    tree = ("mul", 4.0, ("sub", 2.0, ("add", "iou", "uoe")))
    found = loss_text(Slot("box", ("boxes",)), "boxes", tree, alone=False)
    assert found.startswith("0.25*Formula(") and found.endswith(", task='boxes')")


def test_found_formulas_are_candidates_beside_the_recipes_losses():
    recipe = load_recipe("recipes/digits.py")
    slots = recipe.task(recipe.data(0)).slots
    found = loss_text(slots["classes"], "multiclass", ("abs", ("sub", "y", "p")))
    assert found == "Formula('abs(y - p)', task='multiclass', from_logits=True)"
    space = read_space("auto", recipe, slots, {"classes": [found]})
    parameters = space.parameters_of({"classes": spec.parse(found)})
    names = parameters | {"classes.terms": 1, "classes.hard": False}
    drawn = space.suggest(FixedTrial(names)).losses["classes"]
    assert spec.text(drawn) == found and isinstance(drawn, Formula)
    others = candidates(slots, recipe.candidates, {"classes": [found]})["classes"]
    assert set(others) > set(recipe.candidates["classes"])


@pytest.mark.slow
def test_a_search_with_formulas_tries_the_best_and_reports_their_front(tmp_path):
    study = tmp_path / "study"
    command = [sys.executable, "-m", "lossforge", "search", "recipes/digits.py", "--formulas"]
    command += ["--set", "examples=100", "--set", "noise=0.4", "--minutes", "2", "--trials", "5"]
    command += ["--epochs", "1", "--jobs", "1", "--no-gate", "--directory", str(study)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    best = json.loads((study / "formulas.json").read_text())["classes"]
    report = (study / "report.md").read_text()
    assert best[0] in report and best[1] in report
    assert "### Size against score" in report and "class FoundLoss" in report
    assert "evolution" in done.stdout and "random" in done.stdout and "named" in done.stdout
