"""The gate against a textbook's two-way table, and against simulated luck."""

import math

import numpy as np
import pytest
import scipy.stats

from lossforge.search.comparison import Comparison
from lossforge.search.headroom import chosen_names, headroom


def comparison(rows, maximize=True):
    labels = [f"L{i}()" for i in range(len(rows))]
    return Comparison("t", labels, list(range(len(rows[0]))), {"m": rows}, "m", maximize)


def test_noise_is_the_residual_of_a_two_way_table():
    table = np.array([[0.50, 0.52, 0.57], [0.53, 0.56, 0.59], [0.49, 0.55, 0.55]])
    effects = table.mean(1, keepdims=True) + table.mean(0, keepdims=True) - table.mean()
    residual = np.sum((table - effects) ** 2) / 4
    least = scipy.stats.t.ppf(1 - 0.05 / 2, 4) * np.sqrt(2 * residual / 3)
    found = headroom(comparison(table.tolist()))
    assert found.best == "L1()" and found.gain == pytest.approx(0.03)
    assert found.least == pytest.approx(least)
    assert found.noise == pytest.approx(np.sqrt(np.mean(np.var(table, axis=1, ddof=1))))


def test_luck_is_seldom_called_headroom():
    rng = np.random.default_rng(0)
    calls = 0
    for _ in range(1000):
        seeds = rng.normal(0.0, 0.05, 3)  # what seeds do to all losses alike
        calls += headroom(comparison((seeds + rng.normal(0, 0.01, (3, 3))).tolist())).enough
    assert calls / 1000 < 0.06


def test_a_large_gain_is_headroom_in_either_direction():
    rows = [[0.50, 0.52, 0.51], [0.60, 0.63, 0.61]]
    assert headroom(comparison(rows)).enough
    assert not headroom(comparison(rows[::-1])).enough
    assert headroom(comparison(rows[::-1], maximize=False)).enough
    assert "no headroom" in headroom(comparison(rows[::-1])).sentence("m")


def test_a_loss_that_failed_is_left_out():
    rows = [[0.5, 0.52, 0.51], [math.nan, 0.9, 0.9], [0.51, 0.52, 0.52]]
    assert headroom(comparison(rows)).best == "L2()"
    with pytest.raises(ValueError, match="two seeds"):
        headroom(comparison([[0.5, 0.5], [math.nan, math.nan]]))


def test_named_losses_come_from_all_slots():
    losses = {"a": "Focal(gamma=2.0)", "b": "GIoU()"}
    names = {"a": ("CrossEntropy", "Focal"), "b": ("GIoU", "IoU", "DIoU")}
    assert chosen_names(losses, names, 3) == [("a", "CrossEntropy"), ("b", "DIoU"), ("b", "IoU")]
