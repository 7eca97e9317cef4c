"""HParams of a study: one row a trial, the baseline marked, conditional parameters absent."""

import json
import urllib.request

import optuna
import pytest

from lossforge.cli.tensorboard import launch
from lossforge.monitor.study_board import StudyBoard, row_of


@pytest.fixture
def study():
    study = optuna.create_study(direction="maximize", study_name="s")
    study.set_user_attr("objectives", [["val_AP50", "maximize"]])
    study.enqueue_trial({"box": "SmoothL1"}, user_attrs={"origin": "baseline"})

    def objective(trial):
        kind = trial.suggest_categorical("box", ["SmoothL1", "Huber"])
        if kind == "Huber":
            trial.suggest_float("box.Huber.delta", 0.1, 1.0)
        trial.set_user_attr("losses", {"box": f"{kind}()"})
        trial.report(0.1, 1)
        if trial.number == 5:
            raise optuna.TrialPruned
        return 0.2 + trial.number / 100

    study.optimize(objective, n_trials=20)
    return study


def test_every_trial_is_a_row_of_a_real_server(study, tmp_path):
    board = StudyBoard(study, tmp_path)
    assert board.update() == 20 and board.update() == 0
    url = launch(board.path, "localhost", 0)
    question = {
        "experimentName": "",
        "startIndex": 0,
        "sliceSize": 100,
        "colParams": [{"metric": {"tag": "val_AP50"}}],
        "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"],
    }
    request = urllib.request.Request(
        f"{url}data/plugin/hparams/session_groups",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        groups = json.load(answer)["sessionGroups"]
    assert len(groups) == 20
    rows = [group["hparams"] for group in groups]
    assert [row["origin"] for row in rows].count("baseline") == 1
    assert [row["state"] for row in rows].count("pruned") == 1
    for row in rows:
        assert ("box.Huber.delta" in row) == (row["box"] == "Huber")
    values = {metric["value"] for group in groups for metric in group["metricValues"]}
    assert any(abs(value - 0.39) < 1e-6 for value in values)


def test_a_row_leaves_out_what_a_trial_does_not_have(study):
    baseline = row_of(study.trials[0])
    assert baseline["origin"] == "baseline" and baseline["loss"] == "box: SmoothL1()"
    assert "box.Huber.delta" not in baseline
