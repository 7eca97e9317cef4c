"""Known losses among the curves, and that every curve falls."""

import numpy as np
import pytest

from lossforge import BernsteinCrossEntropy, CrossEntropy

P = np.linspace(0.001, 0.999, 400)
PAIRS = np.stack([P, 1 - P], axis=-1)
LABELS = np.zeros(len(P), "int32")


def values(loss):
    return np.asarray(loss.call(LABELS, PAIRS.astype("float64")))


def test_ones_are_cross_entropy():
    ones = BernsteinCrossEntropy(dtype="float64")
    np.testing.assert_allclose(values(ones), values(CrossEntropy(dtype="float64")), rtol=1e-9)


def test_a_straight_rise_is_absolute_error():
    rise = BernsteinCrossEntropy(0.0, 1 / 3, 2 / 3, 1.0, dtype="float64")
    np.testing.assert_allclose(values(rise), 1 - P, rtol=1e-9, atol=1e-12)


def test_every_draw_falls_as_the_label_becomes_likelier():
    rng = np.random.default_rng(0)
    for _ in range(200):
        drawn = BernsteinCrossEntropy(*rng.uniform(0.0, 2.0, 4), dtype="float64")
        assert np.all(np.diff(values(drawn)) < 0)


@pytest.mark.parametrize("coefficients", [(-0.1, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0)])
def test_coefficients_that_make_no_loss_are_refused(coefficients):
    with pytest.raises(ValueError, match="BernsteinCrossEntropy"):
        BernsteinCrossEntropy(*coefficients)
