"""Finals: the best trials on further seeds, and who falls behind is out."""

import json
import math
from pathlib import Path

import optuna
import pytest

from lossforge.errors import NoTrialError
from lossforge.search import study as studies
from lossforge.search.finals import Race, _contenders, sentence
from lossforge.search.plan import Plan
from lossforge.search.run_search import run_search

RECIPE = Path(__file__).with_name("digits_recipe.py")


def race_of(rows, maximize=True):
    race = Race(len(rows), len(rows[0]), maximize)
    for contender, row in enumerate(rows):
        for seed, value in enumerate(row):
            race.record(contender, seed, value)
    return race


@pytest.mark.parametrize("maximize", [True, False])
def test_who_falls_behind_on_every_seed_is_out_and_who_is_equal_is_not(maximize):
    sign = 1 if maximize else -1
    leader = [0.80, 0.82, 0.79, 0.81, 0.80]
    behind = [v - 0.02 * sign for v in leader]
    mixed = [0.81, 0.81, 0.80, 0.80, 0.80]
    race = race_of([leader, behind, mixed], maximize)
    assert race.out == {1} and race.winner() in (0, 2)


def test_the_best_mean_wins_though_another_led():
    assert race_of([[0.80, 0.82, 0.79], [0.85, 0.84, 0.83]]).winner() == 1


def test_two_seeds_are_too_few_to_be_out():
    race = race_of([[0.9, 0.9, 0.9, 0.9]])
    other = Race(2, 4, True)
    for seed in range(4):
        other.record(0, seed, 0.9)
    other.record(1, 0, 0.1)
    other.record(1, 1, 0.1)
    assert other.out == set() and race.winner() == 0
    other.record(1, 2, 0.1)
    assert other.out == {1}


def test_a_finalist_that_does_not_train_is_out():
    race = race_of([[0.8, 0.8], [math.nan, 0.9]])
    assert race.out == {1} and race.winner() == 0
    with pytest.raises(NoTrialError, match="No finalist"):
        race_of([[math.nan, math.nan]]).winner()


def test_finalists_are_the_best_different_losses_and_the_own_one():
    study = optuna.create_study(direction="maximize")
    for config, value in (("own", 0.1), ("a", 0.9), ("b", 0.8), ("a", 0.7), ("c", 0.6), ("d", 0.5)):
        attributes = {"loss_config": config} | ({"origin": "baseline"} if config == "own" else {})
        study.add_trial(optuna.trial.create_trial(value=value, user_attrs=attributes))
    assert [t.number for t in _contenders(study)] == [1, 2, 4, 5, 0]


def test_the_sentence_names_the_winner_and_the_own_loss():
    entries = [{"trial": 3, "own": False, "mean": 0.9, "out": False}]
    entries += [{"trial": 0, "own": True, "mean": 0.85, "out": True}]
    data = {"winner": 3, "contenders": entries, "seeds": [1, 2, 3]}
    assert sentence(data) == (
        "Finals: trial 3 has the best mean over 3 further seeds, 0.9000, the recipe's own 0.8500; "
        "1 of 2 fell behind on the way."
    )


@pytest.mark.slow
def test_the_winner_of_the_finals_is_the_studys_best(tmp_path):
    directory = tmp_path / "study"
    plan = Plan(str(RECIPE), {}, str(directory), trials=3, jobs=2, finals=3)
    study = run_search(plan)
    data = json.loads((directory / "finals.json").read_text())
    assert data["seeds"] == [1, 2, 3] and any(e["own"] for e in data["contenders"])
    assert studies.ranked(study)[0].number == data["winner"]
    whole = {e["trial"]: e["mean"] for e in data["contenders"] if len(e["values"]) == 3}
    assert whole[data["winner"]] == max(whole.values())
    assert sentence(data) in (directory / "report.md").read_text()
    ledger = (directory / "trainings.jsonl").read_text()
    run_search(plan)  # nothing is left to do
    assert (directory / "trainings.jsonl").read_text() == ledger
