"""Gate, confirmation, guards, fronts and sensitivity, with real worker processes."""

import json
from pathlib import Path

import optuna
import pytest

from lossforge import spec
from lossforge.errors import NoTrialError, StudyError
from lossforge.search import confirm as confirming
from lossforge.search import study as studies
from lossforge.search.gate import gate
from lossforge.search.moves import moves
from lossforge.search.plan import Plan
from lossforge.search.run_search import run_search
from lossforge.search.sensitivity import sensitivity
from lossforge.search.trainings import Setup

RECIPE = Path(__file__).with_name("digits_recipe.py")


def plan(directory, **changes):
    arguments = {"recipe": str(RECIPE), "settings": {}, "directory": str(directory), "trials": 3}
    return Plan(**arguments | changes)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_random_search_does_not_draw_what_tpe_begins_with(tmp_path):
    def drawn(sampler):
        own = studies.sampler_of(plan(tmp_path, sampler=sampler), number=1)
        trial = optuna.create_study(sampler=own).ask()
        return trial.suggest_float("weight", 0.0, 1.0)

    assert drawn("tpe") == drawn("tpe") != drawn("random")


@pytest.mark.slow
def test_a_study_is_confirmed_on_fresh_seeds_and_the_test_split_once(tmp_path):
    recipe = tmp_path / "mine.py"
    recipe.write_text(RECIPE.read_text())
    directory = tmp_path / "study"
    run_search(plan(directory, recipe=str(recipe)))
    found = confirming.confirm(directory, seeds=2, jobs=2)
    assert found.comparison.labels[0] == confirming.OWN
    assert found.comparison.labels[-2:] == [confirming.TUNED, confirming.RANDOM]
    assert found.comparison.seeds == (10_000, 10_001)
    assert found.comparison.score == "test_accuracy" and found.before is None
    data = json.loads((directory / "confirm.json").read_text())
    assert data["sentences"] == found.sentences()
    assert data["test_split"] == found.fingerprint
    assert len(studies.ranked(studies.load_study("random", None, directory / "random"))) >= 1

    again = confirming.confirm(directory, seeds=2, jobs=2)
    assert again.comparison.values == found.comparison.values
    assert "was scored for this study before" in again.sentences()[-1]

    recipe.write_text(RECIPE.read_text() + "\n# edited\n")
    with pytest.raises(StudyError, match="was changed since the study 'study' began"):
        confirming.confirm(directory, seeds=2)
    with pytest.raises(StudyError, match="was changed since the study 'study' began"):
        run_search(plan(directory, recipe=str(recipe), trials=4))


@pytest.mark.slow
def test_the_gate_says_what_noise_is(tmp_path):
    found = gate(plan(tmp_path, settings={"candidates": ("CrossEntropy", "Focal")}))
    assert 0.0 < found.noise < 0.1 and found.best == "Focal()"
    assert json.loads((tmp_path / "gate.json").read_text())["enough"] == found.enough


@pytest.mark.slow
def test_trials_that_break_a_guard_do_not_count(tmp_path):
    with pytest.raises(NoTrialError, match="No trial holds the guards.*val_accuracy"):
        run_search(plan(tmp_path / "study", guards=("val_accuracy>=1.1",), trials=2))


@pytest.mark.slow
def test_several_scores_give_a_front(tmp_path):
    study = run_search(plan(tmp_path / "study", score="val_accuracy,val_wrong:min", trials=3))
    best = studies.ranked(study)[0]
    assert len(best.values) == 2 and best.values[0] == pytest.approx(1 - best.values[1])


@pytest.mark.slow
def test_sensitivity_names_the_knob(tmp_path):
    what = Setup(str(RECIPE), {}, str(tmp_path), (("Focal(gamma=2.0)",),), points=2, jobs=2)
    found = sensitivity(what, [0])
    assert "classes.gamma" in found["parameters"]
    assert (tmp_path / "sensitivity.png").stat().st_size > 3000


def test_one_hyper_parameter_moves_at_a_time():
    losses = {"classes": spec.parse("Focal(gamma=2.0, alpha=0.25) + 0.5*CrossEntropy()")}
    for (name, value), moved in moves(losses, 3):
        term = moved["classes"].losses["focal"]
        if name == "classes.focal.gamma":
            assert term.gamma == value and term.alpha == 0.25
        assert moved["classes"].weights == {"focal": 1.0, "cross_entropy": 0.5}
    wrapped = {"classes": spec.parse("HardExamples(Focal(), keep=0.5)")}
    names = {name for (name, _), _ in moves(wrapped, 2)}
    assert {"classes.gamma", "classes.keep"} <= names


def test_the_front_is_what_nothing_beats():
    import optuna

    study = optuna.create_study(directions=["maximize", "minimize"])
    for values in ([0.9, 5.0], [0.8, 1.0], [0.7, 2.0], [0.9, 6.0]):
        study.add_trial(optuna.trial.create_trial(values=values))
    assert studies.pareto_front(study, study.trials) == [0, 1]
    assert [t.number for t in studies.ranked(study)] == [0, 1, 3, 2]
