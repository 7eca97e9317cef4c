"""Headless Chromium sees curves, pictures and points in TensorBoard, not empty pages."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

from lossforge.monitor.study_board import StudyBoard
from lossforge.training.train_run import train_run

ROOT = Path(__file__).parents[2]
RECIPE = str(ROOT / "tests" / "training" / "interrupted_recipe.py")
TRAIN, VALIDATION = (255, 112, 67), (0, 119, 187)  # TensorBoard's first two colours of runs


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "docs" / "screenshots.py"
    spec = importlib.util.spec_from_file_location("screenshots", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def near(picture, colour):
    """How many pixels have about that colour."""
    return int((np.abs(picture.astype(int) - colour).max(axis=-1) < 40).sum())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_tabs_of_a_run_are_not_empty(tool, tmp_path):
    run = train_run(RECIPE, epochs=3, runs=tmp_path / "runs").path
    names = ("scalars", "custom_scalars", "images")
    tabs = {name: tool.RUN_TABS[name] for name in names} | tool.POINTS_TABS
    tool.shoot_all(run, tabs, tmp_path)
    seen = {
        name: np.asarray(Image.open(tmp_path / f"tensorboard_{name}.png").convert("RGB"))
        for name in tabs
    }
    for name, (_, width, height) in tabs.items():
        assert seen[name].shape == (height, width, 3)
    for name in ("scalars", "custom_scalars"):
        charts = seen[name][80:, 320:]  # right of the list of runs
        assert np.ptp(charts.astype(int), axis=-1).max() > 100, "a curve has a colour"
    charts = seen["custom_scalars"][80:, 320:]
    assert near(charts, VALIDATION) > 200 and near(charts, TRAIN) > 200
    picture = seen["images"][150:, 320:]
    assert np.ptp(picture.astype(int)) > 200 and near(picture, (0, 0, 0)) > 500  # digits on black
    points = seen["projector"][150:600, 350:900]
    assert (points.max(axis=-1) < 200).sum() > 500, "no points are drawn"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_table_of_a_study_has_a_row_a_trial(tool, tmp_path):
    study = optuna.create_study(study_name="s")
    study.set_user_attr("objectives", [["val_accuracy", "maximize"]])
    boards = []
    for count in (1, 8):
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=count)
        board = StudyBoard(study, tmp_path / str(count))
        board.update()
        tool.shoot_all(board.path, tool.STUDY_TABS, tmp_path / str(count))
        picture = Image.open(tmp_path / str(count) / "tensorboard_hparams.png").convert("RGB")
        table = np.asarray(picture)[182:, 320:]  # below its head
        written = (table.max(axis=-1) < 120).any(axis=1)
        boards.append(np.count_nonzero(np.diff(written.astype(int)) == 1))  # lines of text
    assert boards == [1, 9]
