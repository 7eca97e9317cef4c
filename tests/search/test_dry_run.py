"""A dry run shows the plan and tries every candidate, or draws of a space file, on one batch."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lossforge.errors import RecipeError
from lossforge.search.dry_run import dry_run
from lossforge.search.plan import Plan

RECIPE = str(Path(__file__).with_name("digits_recipe.py"))


def said(**changes):
    console = Console(record=True, width=140, file=io.StringIO())
    dry_run(Plan(RECIPE, {}, "studies/none", **changes), console)
    return console.export_text()


def test_the_plan_and_every_candidate_are_shown():
    text = said(trials=7)
    assert "trials: 7" in text and "CrossEntropy()" in text and "Focal()" in text


def test_draws_of_a_space_file_are_tried(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def space(trial):\n"
        "    return {'classes': f\"Focal(gamma={trial.suggest_int('gamma', 3, 4)})\"}\n"
    )
    text = said(space=str(path))
    assert "Focal(gamma=3.0)" in text and "Focal(gamma=4.0)" in text


def test_a_candidate_without_a_finite_gradient_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def space(trial): return {'classes': '1e200*Focal() + 1e200*CrossEntropy()'}\n"
    )
    with pytest.raises(RecipeError, match="Without a finite gradient on the first batch"):
        said(space=str(path))
