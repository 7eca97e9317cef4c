"""Balances and callbacks as text: in YAML, in `train`, and at the command line."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from search.digits_recipe import recipe

import lossforge
from lossforge import spec
from lossforge.callbacks import Anneal, LossWarmup
from lossforge.cli.train import command
from lossforge.errors import RecipeError
from lossforge.schedules import cosine
from lossforge.training.train import train

TERMS = {
    "classes": lossforge.Composite({"ce": lossforge.CrossEntropy(), "focal": lossforge.Focal()})
}


@pytest.mark.parametrize("balance", ["Uncertainty()", "GradNorm()"])
def test_a_recipe_trains_with_a_balance(balance):
    outcome = train(recipe(), TERMS, balance=balance, epochs=1)
    assert outcome.reason is None and outcome.metrics["val_accuracy"] > 0.3
    assert "weights/classes" in outcome.metrics or "weights/ce" in outcome.metrics


@pytest.mark.parametrize("balance", ["FAMO()", "GradNorm()", "AutoLambda()"])
def test_a_run_in_two_parts_is_bit_equal_with_balance_and_schedules(balance, tmp_path):
    def fit(epochs, checkpoint):
        callbacks = [
            LossWarmup("focal", begin=10, ramp=50),
            Anneal("focal.gamma", cosine(0.0, 2.0, steps=100)),
        ]
        return train(
            recipe(), TERMS, balance=balance, epochs=epochs, checkpoint=tmp_path / checkpoint,
            callbacks=callbacks,
        )  # fmt: skip

    whole = fit(2, "a")
    fit(1, "b")
    parts = fit(2, "b")
    assert 0.0 < whole.metrics["parameters/focal.gamma"] < 2.0
    for name in whole.metrics:
        np.testing.assert_array_equal(whole.metrics[name], parts.metrics[name], err_msg=name)


def test_yaml_keeps_balance_and_callbacks():
    callbacks = [
        "LossWarmup('focal', begin=20)",
        "Anneal('focal.gamma', linear(0.0, 2.0, steps=9))",
    ]
    text = spec.dump(TERMS, balance="Uncertainty(learning_rate=0.02)", callbacks=callbacks)
    assert spec.load_dynamics(text) == ("Uncertainty(learning_rate=0.02)", callbacks)
    assert spec.load_dynamics(spec.dump(TERMS)) == (None, [])
    assert list(spec.load(text)) == ["classes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LossWarmpu('a', begin=1)", "Did you mean 'LossWarmup'"),
        ("LossWarmup('a', begn=1)", "Did you mean 'begin'"),
        ("LossWarmup('a'", "is not a callback"),
        ("Anneal('a.b', open('x'))", "is not a number or a literal"),
    ],
)
def test_wrong_callbacks_are_named(text, message):
    with pytest.raises(RecipeError, match=message):
        spec.parse_callback(text)


def test_the_command_line_takes_balances_and_callbacks_that_exist(tmp_path):
    source = "from search.digits_recipe import recipe  # noqa: F401\n"
    (tmp_path / "r.py").write_text(source)
    run = [str(tmp_path / "r.py"), "--runs", str(tmp_path / "runs"), "--epochs", "1"]
    result = CliRunner().invoke(command, [*run, "--balance", "Uncertainy()"])
    assert result.exit_code != 0 and "Uncertainty" in str(result.exception or result.output)
    loss = "CrossEntropy() + Focal()"
    moves = ["--balance", "Magnitude()", "--callback", "LossWarmup('focal', begin=10)"]
    result = CliRunner().invoke(command, [*run, "--loss", loss, *moves])
    assert result.exit_code == 0, result.output
    (made,) = (tmp_path / "runs").iterdir()
    spec_text = (made / "loss.yaml").read_text()
    assert "balance: Magnitude()" in spec_text and "LossWarmup('focal', begin=10)" in spec_text
    with open(made / "history.csv", newline="") as file:
        (epoch,) = csv.DictReader(file)
    assert float(epoch["parameters/focal.weight"]) == 1.0 and "weights/classes/focal" in epoch
    assert json.loads((made / "summary.json").read_text())["value"] > 0.3
