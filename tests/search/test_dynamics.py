"""Balance and schedules are searched: what a trial draws is what trains, and is kept."""

import runpy
from pathlib import Path

import optuna
import pytest
from optuna.trial import FixedTrial

from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.recipe import Slot
from lossforge.search.derived_dynamics import FEW, DerivedDynamics, balances_on_values
from lossforge.search.derived_space import DerivedSpace, candidates
from lossforge.search.space import SpaceFile, read_space
from lossforge.search.suggestion import Suggestion
from lossforge.training.train import train

RECIPE = Path(__file__).with_name("digits_recipe.py")
BOX = {"box": Slot("box", ("boxes", "regression"))}
TWO_TERMS = {
    "box": "GIoU",
    "box.terms": 2,
    "box.second": "EIoU",
    "box.second.weight": 0.5,
    "box.hard": False,
}


def space(slots, named, steps=200, balances=FEW):
    dynamics = DerivedDynamics(steps, balances)
    return DerivedSpace(slots, candidates(slots, named), dynamics=dynamics)


def test_further_terms_enter_slowly():
    boxes = space(BOX, {"box": ("GIoU", "EIoU")})
    drawn = boxes.suggest(
        FixedTrial(TWO_TERMS | {"balance": False, "box.late": True, "box.late.share": 0.25})
    )
    assert drawn.callbacks == ("LossWarmup('box/eiou', ramp=50)",) and drawn.balance is None


def test_a_balance_shares_the_gradient_and_its_numbers_are_searched():
    boxes = space(BOX, {"box": ("GIoU", "EIoU")})
    parameters = {"balance": True, "balance.rule": "Uncertainty"}
    parameters |= {"balance.Uncertainty.learning_rate": 0.02}
    drawn = boxes.suggest(FixedTrial(TWO_TERMS | parameters))
    assert drawn.balance == "Uncertainty(learning_rate=0.02)" and not drawn.callbacks


def test_the_share_of_hard_examples_falls_to_what_was_drawn():
    boxes = space(BOX, {"box": ("GIoU",)})
    parameters = {"box": "GIoU", "box.hard": True, "box.keep": 0.5, "box.keep.falls": True}
    drawn = boxes.suggest(FixedTrial(parameters))
    assert drawn.callbacks == ("OHEM(end=0.5, steps=100, term='box')",)


def test_the_temperature_falls_to_what_was_drawn():
    slots = {"embedding": Slot("embedding", ("embedding",))}
    views = space(slots, {"embedding": ("SupCon",)})
    parameters = {"embedding": "SupCon", "embedding.hard": False}
    parameters |= {"embedding.SupCon.temperature": 0.1, "embedding.SupCon.positives": "out"}
    drawn = views.suggest(
        FixedTrial(parameters | {"embedding.SupCon.cools": True, "embedding.SupCon.from": 4.0})
    )
    assert drawn.callbacks == ("TemperatureAnnealing(0.4, 0.1, 200, term='embedding')",)


def test_the_baseline_stands_still():
    slots = BOX | {"classification": Slot("classification", ("multilabel",))}
    both = space(slots, {"box": ("GIoU", "EIoU"), "classification": ("Focal",)})
    losses = {"box": spec.parse("GIoU()"), "classification": spec.parse("Focal()")}
    drawn = both.suggest(FixedTrial(both.parameters_of(losses)))
    assert drawn.texts() == Suggestion(losses).texts()


def test_any_draw_is_kept_in_its_yaml():
    slots = BOX | {"embedding": Slot("embedding", ("embedding",))}
    everything = space(slots, {}, balances=balances_on_values())
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(60):
        drawn = everything.suggest(study.ask())
        again = Suggestion.read(drawn.as_yaml())
        assert again.texts() == drawn.texts()
        drawn.made_callbacks()
        seen |= {text.partition("(")[0] for text in drawn.callbacks} | {bool(drawn.balance)}
    assert seen == {"LossWarmup", "OHEM", "TemperatureAnnealing", True, False}


def test_a_space_file_may_give_balance_and_callbacks(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def space(trial):\n"
        "    return {'box': 'GIoU() + EIoU()', 'balance': 'Uncertainty()',\n"
        "            'callbacks': [\"OHEM(term='box/giou')\"]}\n"
    )
    drawn = SpaceFile(path, BOX).suggest(FixedTrial({}))
    assert drawn.balance == "Uncertainty()" and drawn.callbacks == ("OHEM(term='box/giou')",)
    path.write_text("def space(trial): return {'box': 'GIoU()', 'balance': 'Uncertanty()'}")
    with pytest.raises(RecipeError, match="Did you mean 'Uncertainty'"):
        SpaceFile(path, BOX).suggest(FixedTrial({}))


def test_a_recipe_with_callbacks_of_its_own_keeps_them():
    recipe = runpy.run_path(str(RECIPE))["recipe"]()
    slots = {"classes": Slot("classes", ("multiclass",))}
    assert "balances" in read_space("auto", recipe, slots, steps=10).described()
    assert "balances" not in read_space("auto", recipe, slots).described()
    assert "balances" not in read_space("named", recipe, slots, steps=10).described()


@pytest.mark.parametrize(
    ("text", "balance", "callbacks"),
    [
        ("Focal() + 0.5*CrossEntropy()", None, ("LossWarmup('classes/cross_entropy', ramp=50)",)),
        ("HardExamples(Focal(), keep=0.5)", None, ("OHEM(end=0.5, steps=50, term='classes')",)),
        ("Focal() + 0.5*CrossEntropy()", "ReLoBRaLo()", ()),
    ],
)
def test_what_is_drawn_trains(text, balance, callbacks):
    recipe = runpy.run_path(str(RECIPE))["recipe"]()
    drawn = Suggestion({"classes": spec.parse(text)}, balance, callbacks)
    outcome = train(
        recipe, drawn.losses, epochs=2, callbacks=drawn.made_callbacks(), balance=drawn.balance
    )
    assert outcome.reason is None and outcome.score > 0.7
    if "OHEM(end=0.5, steps=50, term='classes')" in callbacks:
        assert outcome.metrics["parameters/classes.keep"] == pytest.approx(0.5)
    if balance:
        assert outcome.metrics["weights/classes/focal"] != 1.0


def test_too_large_a_trial_is_pruned_with_its_reason():
    import tensorflow as tf

    from lossforge.search.worker import what_went_wrong

    full = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert what_went_wrong(full) == ("pruned", "out of memory: OOM when allocating tensor")
    assert what_went_wrong(ValueError("odd")) == ("fail", "ValueError: odd")
