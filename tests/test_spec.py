"""One text for a loss everywhere, and the same as YAML."""

import re

import pytest

import lossforge
from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.testing import cases

LOSSES = [
    cls(**arguments)
    for cls in lossforge.losses.LOSSES.values()
    if not cls.wraps and cls.__module__.startswith("lossforge.")
    for arguments, _ in cases(cls)
]


@pytest.mark.parametrize("loss", LOSSES, ids=spec.text)
def test_every_loss_survives_text_and_yaml(loss):
    for again in (spec.parse(spec.text(loss)), spec.load(spec.dump({"slot": loss}))["slot"]):
        assert type(again) is type(loss) and again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    "source",
    [
        "0.7*Focal(gamma=1.5) + CrossEntropy()",
        "HardExamples(Focal(gamma=0.0), keep=0.5)",
        "2.0*GIoU()",
        "Focal(alpha=[0.1, 0.9]) + Focal(gamma=1.0)",
    ],
)
def test_text_is_what_it_was(source):
    assert spec.text(spec.parse(source)) == source


def test_the_weight_of_a_term_is_not_that_of_its_loss():
    loss = spec.parse("0.5*Sobolev(weight=2.0) + MAE()")
    again = spec.load(spec.dump({"slot": loss}))["slot"]
    assert spec.text(again) == "0.5*Sobolev(weight=2.0) + MAE()"


def test_nested_composite_survives_yaml(tmp_path):
    inner = lossforge.Composite({"a": lossforge.Focal(), "b": (0.5, lossforge.CrossEntropy())})
    outer = lossforge.Composite({"inner": (2.0, inner), "c": lossforge.Focal(gamma=0.5)})
    spec.dump({"slot": outer}, tmp_path / "loss.yaml")
    assert spec.load(tmp_path / "loss.yaml")["slot"].get_config() == outer.get_config()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Focl()", "Did you mean 'Focal'"),
        ("Focal(gama=1)", "Did you mean 'gamma'"),
        ("Focal(gamma=-1)", "gamma must be a number at least 0"),
        ("-1*Focal()", "weight"),
        ("1e999*Focal()", "finite"),
        ("Focal(", "is not a loss"),
        ("__import__('os')", "No loss is called '__import__'"),
        ("Focal().call", "is not a loss"),
        ("Focal(gamma=open('x'))", "No loss is called 'open'"),
        ("(" * 10_000, "too long|not a loss"),
        ("Focal() - Dice()", "not a loss"),
        ("", "is not a loss"),
    ],
)
def test_bad_text_is_one_clear_line(source, message):
    with pytest.raises(RecipeError, match=message) as error:
        spec.parse(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", ["loss_config: 3", "loss_config: {a: [", "x", "loss_config: {a: 1}"]
)
def test_bad_yaml_is_refused(content):
    with pytest.raises(RecipeError):
        spec.load(content)


def test_a_miner_is_part_of_the_text():
    source = "Mined(Triplet(strategy='all'), DistanceWeightedMiner(cutoff=0.3))"
    loss = spec.parse(source)
    assert spec.text(loss) == source
    assert spec.text(spec.load(spec.dump({"x": loss}))["x"]) == source
    for wrong, message in (
        ("RandomMiner()", "is a miner, not a loss"),
        ("Mined(Triplet(), RandMiner())", "No miner is called 'RandMiner'. Did you mean 'Rand"),
        ("Mined(Triplet(), RandomMiner(name='x'))", "No argument of RandomMiner is"),
        ("Mined(Triplet(), Focal())", "must be a lossforge Miner"),
    ):
        with pytest.raises(RecipeError, match=re.escape(message)):
            spec.parse(wrong)
