"""A search end to end, with real worker processes on a recipe of a second a trial."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from lossforge import spec
from lossforge.errors import NoTrialError, StudyError
from lossforge.search import run_search as searching
from lossforge.search import study as studies
from lossforge.search.plan import Plan

RECIPE = Path(__file__).with_name("digits_recipe.py")
COMMAND = "from lossforge.cli.main import main; main()"


def plan(directory, **changes):
    arguments = {"recipe": str(RECIPE), "settings": {}, "directory": str(directory), "trials": 4}
    return Plan(**arguments | changes)


def test_a_search_keeps_the_baseline_and_writes_a_usable_best_loss(tmp_path):
    study = searching.run_search(plan(tmp_path / "study"))
    trials = study.get_trials(deepcopy=False)
    assert studies.is_baseline(trials[0]) and trials[0].value > 0.8
    assert trials[0].user_attrs["losses"] == {"classes": "CrossEntropy()"}
    assert studies.spent(study) == 4
    best = studies.ranked(study)[0]
    assert best.value == max(t.value for t in trials if t.state.name == "COMPLETE")
    found = spec.load(tmp_path / "study" / "best_loss.yaml")
    assert spec.text(found["classes"]) == best.user_attrs["losses"]["classes"]
    report = (tmp_path / "study" / "report.md").read_text()
    assert f"{best.value:.4f}" in report and "baseline" in report

    again = searching.run_search(plan(tmp_path / "study", trials=5))  # goes on: one more
    assert studies.spent(again) == 5
    assert [t.value for t in again.get_trials()][:4] == [t.value for t in trials]


def test_a_trial_that_turns_nan_is_pruned_with_its_reason(tmp_path):
    settings = {"candidates": ("TurnsNaN",)}
    study = searching.run_search(plan(tmp_path / "study", settings=settings, trials=3))
    pruned = study.get_trials(states=(optuna.trial.TrialState.PRUNED,))
    assert len(pruned) == 2 and "the loss is nan" in pruned[0].user_attrs["reason"]
    assert "the loss is nan" in (tmp_path / "study" / "report.md").read_text()
    assert studies.is_baseline(studies.ranked(study)[0])


def test_a_score_that_the_task_does_not_measure_is_named(tmp_path):
    with pytest.raises(NoTrialError, match="val_acuracy.*Did you mean 'val_accuracy'"):
        searching.run_search(plan(tmp_path / "study", score="val_acuracy", trials=1))


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_and_reaches_its_total(tmp_path):
    directory = tmp_path / "study"
    command = [sys.executable, "-c", COMMAND, "search", str(RECIPE), "--directory", str(directory)]
    command += ["--trials", "8", "--jobs", "1"]
    first = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and _finished(directory) < 2:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = {t.number: t.value for t in _trials(directory) if t.state.name == "COMPLETE"}
    assert 2 <= _finished(directory) < 8, "killed in the middle"

    subprocess.run(command, check=True, timeout=200)
    trials = _trials(directory)
    assert {n: t.value for n, t in enumerate(trials) if n in kept} == kept
    done = [t for t in trials if t.state.name in ("COMPLETE", "PRUNED")]
    assert len(done) == 8
    assert not [t for t in trials if t.state.name == "RUNNING"]
    assert sum(studies.is_baseline(t) for t in done) == 1


def _finished(directory):
    if not (directory / "journal.log").exists():
        return 0
    try:
        return sum(t.state.is_finished() for t in _trials(directory))
    except StudyError:  # the journal is being begun
        return 0


def _trials(directory):
    return studies.load_study(directory.name, None, directory).get_trials()
