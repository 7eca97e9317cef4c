"""Losses compared on the same seeds, with real worker processes."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lossforge.errors import RecipeError
from lossforge.search import compare as comparing
from lossforge.search import comparison_pictures
from lossforge.search.comparison import Comparison
from lossforge.search.trainings import Ledger, Setup

RECIPE = Path(__file__).with_name("digits_recipe.py")


def setup(directory, *contenders, **changes):
    arguments = {"recipe": str(RECIPE), "settings": {}, "directory": str(directory)}
    return Setup(**arguments | {"contenders": contenders, "jobs": 2} | changes)


def test_two_losses_are_compared_seed_by_seed_and_only_trained_once(tmp_path):
    what = setup(tmp_path, ("CrossEntropy()",), ("classes=Focal(gamma=5.0)",), test=True)
    found = comparing.compare(what, [0, 1])
    assert found.score == "test_accuracy" and found.labels[1] == "Focal(gamma=5.0)"
    rows = found.values["test_accuracy"]
    assert all(0.6 < value <= 1.0 for row in rows for value in row)
    assert rows[0] != rows[1]
    expected = sum(a - b for a, b in zip(rows[1], rows[0], strict=True)) / 2
    assert found.difference(1).mean == pytest.approx(expected)
    data = json.loads((tmp_path / "comparison.json").read_text())
    assert data["losses"][0]["metrics"]["test_accuracy"]["values"] == rows[0]
    assert (tmp_path / "comparison.png").stat().st_size > 5000
    assert "Focal(gamma=5.0)" in (tmp_path / "comparison.md").read_text()

    ledger = (tmp_path / "trainings.jsonl").read_text()
    again = comparing.compare(what, [0, 1])
    assert again.values == found.values
    assert (tmp_path / "trainings.jsonl").read_text() == ledger


@pytest.mark.slow
def test_a_training_does_not_depend_on_what_its_process_trained_before(tmp_path):
    after = comparing.compare(setup(tmp_path / "a", ("Focal()",), ("Poly1()",), jobs=1), [3, 4])
    alone = comparing.compare(setup(tmp_path / "b", ("Poly1()",), jobs=1), [4])
    assert after.values["val_accuracy"][1][1] == alone.values["val_accuracy"][0][0]


def test_a_loss_that_turns_nan_is_named_beside_the_others(tmp_path):
    found = comparing.compare(setup(tmp_path, (), ("TurnsNaN()",)), [0])
    assert math.isnan(found.values["val_accuracy"][1][0])
    assert found.reasons[0][0] == "TurnsNaN()" and "the loss is nan" in found.reasons[0][2]
    assert "the loss is nan" in (tmp_path / "comparison.md").read_text()


def test_a_loss_that_does_not_fit_is_refused_before_training(tmp_path):
    with pytest.raises(RecipeError, match="takes losses of the kinds multiclass"):
        comparing.compare(setup(tmp_path, ("Focal()",), ("GIoU()",)), [0])
    assert not (tmp_path / "trainings.jsonl").exists()


def test_a_cut_off_line_of_the_ledger_costs_one_training(tmp_path):
    path = tmp_path / "trainings.jsonl"
    Ledger(path).add("a", {"metrics": {"m": 1.0}})
    with open(path, "a") as file:
        file.write('{"key": "b", "metr')
    Ledger(path).add("c", {"metrics": {"m": 2.0}})
    assert set(Ledger(path).results) == {"a", "c"}


def test_pairs_are_formed_only_of_what_finished():
    nan = math.nan
    values = {"m": [[0.5, 0.6, nan], [0.7, nan, 0.9]]}
    found = Comparison("t", ["A()", "B()"], [0, 1, 2], values, "m", True)
    assert found.difference(1).pairs == 1 and found.difference(1).mean == pytest.approx(0.2)
    assert found.best() == 1


def test_the_grid_shows_what_is_common_once_and_each_output_with_its_numbers(tmp_path):
    """Of a task with tiles, one with pictures alone, and one without."""
    grey = np.full((40, 120, 3), 99, "uint8")

    def task(shade):
        tiles = {
            "truth": (grey, ""),
            "output": (grey + np.uint8(shade), f"PSNR {shade}"),
            "error": (grey - np.uint8(shade), ""),
        }
        return SimpleNamespace(tiles=lambda data: {"one": tiles, "two": tiles})

    files = [tmp_path / "pictures" / f"{shade}.npz" for shade in (1, 2)]
    for shade, file in zip((1, 2), files, strict=True):
        comparison_pictures.keep_tiles(file, task(shade), None)
    picture = tmp_path / "grid.png"
    assert comparison_pictures.draw_grid(picture, [*files, tmp_path / "no.npz"], ["A", "B", "C"])
    drawn = np.asarray(Image.open(picture))
    assert drawn.shape[1] == 3 * (120 + 6) + 6  # truth, A, B; what differs and is no output is not
    middle = drawn[20, 60::126, 0][:3]
    assert middle.tolist() == [99, 100, 101]

    alone = SimpleNamespace(pictures=lambda data: {"scene": grey})
    comparison_pictures.keep_tiles(tmp_path / "alone.npz", alone, None)
    assert comparison_pictures.draw_grid(picture, [tmp_path / "alone.npz"], ["A"])
    comparison_pictures.keep_tiles(tmp_path / "none.npz", SimpleNamespace(), None)
    assert not comparison_pictures.draw_grid(picture, [tmp_path / "none.npz"], ["A"])
