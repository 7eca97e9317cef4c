"""The card of a loss says what is known of losses whose properties are known."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import lossforge
from lossforge import Formula, spec
from lossforge.cli.main import group
from lossforge.loss_card import card


def facts(text, kind=None):
    return card(spec.parse(text), kind).facts


@pytest.mark.parametrize(
    ("text", "optimum"),
    [
        ("Baikal()", {2: 2**-0.5, 10: 10**-0.5, 100: 0.1}),
        ("NGL()", {2: 0.566, 10: 0.391, 100: 0.362}),
        ("SparseLSR(label_smoothing=0.25)", {10: 0.775}),
        ("CrossEntropy(label_smoothing=0.1)", {2: 0.95, 10: 0.91, 100: 0.901}),
        ("CrossEntropy()", {2: 1.0, 10: 1.0, 100: 1.0}),
        ("InverseRoot()", {2: 1.0, 10: 1.0}),
    ],
)
def test_optimum_of_classifiers(text, optimum):
    found = facts(text, "multiclass")
    for classes, p in optimum.items():
        assert found[f"optimum p, {classes} classes"] == pytest.approx(p, abs=0.005)


@pytest.mark.parametrize(
    ("text", "calibration", "convex"),
    [
        ("CrossEntropy()", "proper", "yes"),
        ("Formula('square(y - p)')", "proper", "no"),
        ("Focal(gamma=2)", "underconfident", "no"),
        ("Formula('abs(y - p)')", "overconfident", "no"),
    ],
)
def test_calibration_and_convexity(text, calibration, convex):
    found = facts(text, "binary")
    assert found["calibration"].startswith(calibration)
    assert found["convex in the logits"] == convex


def test_mean_absolute_error_gives_wrong_labels_up_and_cross_entropy_does_not():
    assert "given up" in facts("Formula('abs(y - p)')", "multiclass")["hard examples"]
    assert "pull 2 times" in facts("CrossEntropy()", "multiclass")["hard examples"]


@pytest.mark.parametrize(
    ("text", "answers", "unit", "outliers"),
    [
        ("Formula('(y - p)**2', task='regression')", "the mean", "to the power 2", "pull 10x"),
        ("Formula('abs(y - p)', task='regression')", "the median", "to the power 1", "bounded"),
        ("Formula('1 - exp(-(y - p)**2)', task='regression')", "", "no", "ignored"),
    ],
)
def test_regression_statistic_unit_and_outliers(text, answers, unit, outliers):
    found = facts(text)
    assert answers in found["answers"]
    assert found["scales with the unit"].startswith(unit)
    assert found["outliers"].startswith(outliers)


def test_boxes_counted_in_pixels_are_told_from_ratios():
    assert facts("AutoBox('B')")["unchanged by the unit"] == "yes"
    assert facts("AutoBox('B', units='pixel')")["unchanged by the unit"] == "no"
    assert facts("IoU()")["pull on a box that does not touch"] == 0.0
    assert facts("GIoU()")["pull on a box that does not touch"] > 0.0


def test_where_a_loss_is_not_finite_is_found():
    class Hole(lossforge.losses.Loss):
        """Not finite at large logits."""

        kinds = ("binary",)

        def __init__(self, from_logits=True, **base):
            super().__init__(**base)
            self.from_logits = from_logits

        def call(self, y_true, y_pred):
            from keras import ops

            return ops.sum(ops.exp(y_pred) - y_true, axis=-1)

    try:
        assert card(Hole()).facts["not finite at"] == [-1e4, 1e4]
    finally:
        del lossforge.losses.LOSSES["Hole"]


@pytest.mark.parametrize(
    "text", ["Triplet()", "HardExamples(Focal())", "CrossEntropy() + 0.5*Focal()"]
)
def test_other_losses_have_a_card_too(text):
    assert card(spec.parse(text)).facts["not finite at"] == "none of the probes"


def test_command_prints_json_and_a_picture(tmp_path):
    picture = tmp_path / "card.png"
    result = CliRunner().invoke(group, ["card", "Focal(gamma=2)", "--json", "--plot", str(picture)])
    measured = json.loads(result.output)
    assert measured["kind"] == "multiclass" and len(measured["curve"]["at"]) > 1000
    assert np.all(np.diff(measured["curve"]["at"]) >= 0)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_command_refuses_a_kind_that_the_loss_does_not_read():
    result = CliRunner().invoke(group, ["card", "Focal()", "--kind", "boxes"])
    assert "reads multiclass" in str(result.exception)
    with pytest.raises(ValueError, match="reads boxes, not binary"):
        card(Formula("1 - iou", task="boxes"), "binary")


def test_command_prints_a_formula_as_python():
    result = CliRunner().invoke(group, ["card", "Formula('abs(y - p)')", "--code"])
    assert result.exit_code == 0 and "class FoundLoss(keras.losses.Loss)" in result.output
    compile(result.output, "my_loss.py", "exec")
    result = CliRunner().invoke(group, ["card", "Focal()", "--code"])
    assert "--code writes a Formula as Python, got Focal" in str(result.exception)
