import optuna
import pytest

from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.recipe import Slot
from lossforge.search import space

SLOTS = {
    "classification": Slot("classification", ("multilabel", "quality")),
    "box": Slot("box", ("boxes", "regression")),
}
NAMED = {"classification": ("Focal", "Varifocal"), "box": ("SmoothL1", "GIoU")}


def test_the_derived_space_holds_every_loss_that_fits():
    found = space.candidates(SLOTS, {})
    assert {"Focal", "CrossEntropy", "QualityFocal"} <= set(found["classification"])
    assert {"SmoothL1", "GIoU", "CIoU"} <= set(found["box"])
    assert "GIoU" not in found["classification"] and "HardExamples" not in found["box"]


def test_a_candidate_that_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="slot 'box'.*Focal"):
        space.candidates(SLOTS, {"box": ("Focal",)})


def test_parameters_of_the_baseline_give_the_baseline_back():
    losses = {"classification": spec.parse("Focal(gamma=2.0, alpha=0.25)")}
    losses["box"] = spec.parse("SmoothL1(beta=0.1)")
    found = space.candidates(SLOTS, NAMED)
    drawn = space.suggest(optuna.trial.FixedTrial(space.parameters_of(losses, found)), found)
    assert {n: spec.text(v) for n, v in drawn.items()} == {
        n: spec.text(v) for n, v in losses.items()
    }


def test_terms_weights_and_hard_examples_are_drawn():
    drawn = space.suggest(
        optuna.trial.FixedTrial(
            {
                "classification": "Varifocal",
                "classification.with": "none",
                "classification.hard": True,
                "classification.keep": 0.5,
                "classification.Varifocal.alpha": 0.75,
                "classification.Varifocal.gamma": 2.0,
                "box": "GIoU",
                "box.with": "SmoothL1",
                "box.weight": 2.0,
                "box.with.weight": 0.25,
                "box.hard": False,
                "box.SmoothL1.beta": 1.0,
            }
        ),
        space.candidates(SLOTS, NAMED),
    )
    text = spec.text(drawn["classification"])
    assert text == "HardExamples(Varifocal(), keep=0.5)"
    assert spec.text(drawn["box"]) == "2.0*GIoU() + 0.5*SmoothL1()"
