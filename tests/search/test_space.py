import optuna
import pytest
from optuna.trial import FixedTrial

from lossforge import spec
from lossforge.errors import RecipeError, StudyError
from lossforge.recipe import Slot
from lossforge.search.derived_space import DerivedSpace, candidates
from lossforge.search.same_space import check_same
from lossforge.search.space import SpaceFile

SLOTS = {
    "classification": Slot("classification", ("multilabel", "quality")),
    "box": Slot("box", ("boxes", "regression")),
}
NAMED = {"classification": ("Focal", "Varifocal"), "box": ("SmoothL1", "GIoU")}


def test_the_derived_space_holds_every_loss_that_fits():
    found = candidates(SLOTS, {})
    assert {"Focal", "CrossEntropy", "QualityFocal"} <= set(found["classification"])
    assert {"SmoothL1", "GIoU", "CIoU"} <= set(found["box"])
    assert "GIoU" not in found["classification"] and "HardExamples" not in found["box"]


def test_a_candidate_that_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="slot 'box'.*Focal"):
        candidates(SLOTS, {"box": ("Focal",)})
    with pytest.raises(RecipeError, match="Slot 'box' takes losses"):
        candidates(SLOTS, NAMED, {"box": ("Focal(gamma=1.0)",)})
    with pytest.raises(RecipeError, match="slot with candidates is called 'bocks'"):
        candidates(SLOTS, {}, {"bocks": ("GIoU",)})


@pytest.mark.parametrize("combine", [True, False])
def test_parameters_of_the_baseline_give_the_baseline_back(combine):
    losses = {"classification": spec.parse("Focal(gamma=2.0, alpha=0.25)")}
    losses["box"] = spec.parse("SmoothL1(beta=0.1)")
    space = DerivedSpace(SLOTS, candidates(SLOTS, NAMED), combine=combine)
    drawn = space.suggest(FixedTrial(space.parameters_of(losses))).losses
    assert {n: spec.text(v) for n, v in drawn.items()} == {
        n: spec.text(v) for n, v in losses.items()
    }


def test_terms_weights_and_hard_examples_are_drawn():
    parameters = {
        "classification": "Varifocal",
        "classification.terms": 1,
        "classification.hard": True,
        "classification.keep": 0.5,
        "classification.Varifocal.alpha": 0.75,
        "classification.Varifocal.gamma": 2.0,
        "box": "GIoU",
        "box.terms": 2,
        "box.second": "SmoothL1",
        "box.weight": 2.0,
        "box.second.weight": 0.25,
        "box.hard": False,
        "box.SmoothL1.beta": 1.0,
    }
    drawn = DerivedSpace(SLOTS, candidates(SLOTS, NAMED)).suggest(FixedTrial(parameters)).losses
    assert spec.text(drawn["classification"]) == "HardExamples(Varifocal(), keep=0.5)"
    assert spec.text(drawn["box"]) == "2.0*GIoU() + 0.5*SmoothL1()"

    measured = (
        DerivedSpace(
            SLOTS, candidates(SLOTS, NAMED), lambda slot, loss: 8.0 if loss.name == "giou" else 2.0
        )
        .suggest(FixedTrial(parameters))
        .losses
    )
    assert spec.text(measured["box"]) == "2.0*GIoU() + 2.0*SmoothL1()"


def test_three_terms_are_searched_and_a_term_drawn_twice_is_one():
    slots = {"box": SLOTS["box"]}
    space = DerivedSpace(slots, candidates(slots, {"box": ("GIoU", "EIoU", "DIoU")}))
    parameters = {"box": "GIoU", "box.terms": 3, "box.second": "EIoU", "box.second.weight": 0.5}
    parameters |= {"box.third": "DIoU", "box.third.weight": 2.0, "box.hard": False}
    text = spec.text(space.suggest(FixedTrial(parameters)).losses["box"])
    assert text == "GIoU() + 0.5*EIoU() + 2.0*DIoU()"
    twice = spec.text(space.suggest(FixedTrial(parameters | {"box.third": "GIoU"})).losses["box"])
    assert twice == "GIoU() + 0.5*EIoU()"


def test_texts_of_another_source_are_candidates_as_they_are():
    further = {"classification": ("Formula('-y*log(p)')", "Focal(gamma=3.0) + 0.5*CrossEntropy()")}
    names = candidates(SLOTS, NAMED, further)
    assert names["classification"] == (*NAMED["classification"], *further["classification"])
    space = DerivedSpace(SLOTS, {"classification": names["classification"]})
    parameters = {"classification": further["classification"][1], "classification.terms": 1}
    drawn = space.suggest(FixedTrial(parameters | {"classification.hard": False})).losses
    assert spec.text(drawn["classification"]) == further["classification"][1]


def test_what_a_slot_knows_is_given_to_losses_that_need_it():
    slots = {"classes": Slot("classes", ("multiclass",), {"class_counts": (5, 1)})}
    space = DerivedSpace(slots, candidates(slots, {"classes": ("LogitAdjusted",)}), combine=False)
    parameters = {"classes": "LogitAdjusted", "classes.LogitAdjusted.tau": 1.5}
    drawn = space.suggest(FixedTrial(parameters | {"classes.LogitAdjusted.gamma": 0.0})).losses
    assert spec.text(drawn["classes"]) == "LogitAdjusted([5.0, 1.0], tau=1.5)"


def test_any_draw_of_the_whole_library_is_a_loss_that_fits_and_has_a_text():
    space = DerivedSpace(SLOTS, candidates(SLOTS, {}))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        for slot, loss in space.suggest(study.ask()).losses.items():
            SLOTS[slot].fit(loss)
            assert spec.text(spec.parse(spec.text(loss))) == spec.text(loss)


def test_a_space_file_draws_losses_as_text(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def space(trial):\n"
        "    gamma = trial.suggest_float('gamma', 0.0, 5.0)\n"
        "    return {'classification': f'Focal(gamma={gamma})'}\n"
    )
    drawn = SpaceFile(path, SLOTS).suggest(FixedTrial({"gamma": 3.0})).losses
    assert {n: spec.text(v) for n, v in drawn.items()} == {"classification": "Focal(gamma=3.0)"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def other(trial): pass", "has no function space"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("def space(trial): return {'bocks': 'GIoU()'}", "for each of the slots classification"),
    ],
)
def test_a_space_file_at_fault_is_named(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        SpaceFile(path, SLOTS).suggest(FixedTrial({}))


def test_a_changed_space_is_refused_with_the_difference():
    before = DerivedSpace(SLOTS, candidates(SLOTS, NAMED)).described()
    now = DerivedSpace(SLOTS, candidates(SLOTS, NAMED | {"box": ("SmoothL1", "IoU")})).described()
    check_same("s", before, before)
    with pytest.raises(StudyError, match=r"another space.*-box.GIoU; \+box.IoU"):
        check_same("s", before, now)
