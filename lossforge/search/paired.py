"""Differences between two losses on the same seeds, with what the seeds can and can't say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Difference:
    """The mean of paired differences and its 95 % confidence interval.

    With one pair there is no interval: `low` and `high` are infinite.
    """

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def decided(self) -> int:
        """1: surely above 0; -1: surely below; 0: the seeds can't tell."""
        return (self.low > 0) - (self.high < 0)


def paired_difference(
    ours: Sequence[float], theirs: Sequence[float], level: float = 0.95
) -> Difference:
    """ours - theirs, seed by seed, with Student's interval for the mean of the differences.

        mean(d) +- t(1 - (1 - level) / 2, n - 1) s(d) / sqrt(n)

    A seed sets weights, order and augmentation alike for both, so that what they share cancels;
    the interval of the difference is far narrower than those of the two means.

    Source: Student 1908, The Probable Error of a Mean.

    >>> paired_difference([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])
    Difference(mean=2.0, low=2.0, high=2.0, pairs=3)

    Raises:
        ValueError: for no pairs, or lists of different length.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(
            f"Paired differences need two lists of equal length, got {len(ours)} and {len(theirs)}."
        )
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    mean, half = mean_and_half_width(differences, level)
    return Difference(mean, mean - half, mean + half, len(differences))


def mean_and_half_width(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The mean and half the width of its confidence interval; infinite for one value."""
    from scipy.stats import t

    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return mean, math.inf
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, float(t.ppf(0.5 + level / 2, count - 1)) * math.sqrt(variance / count)


def sentence(metric: str, difference: Difference, against: str, maximize: bool, share: bool) -> str:
    """What the difference means, in plain words.

    Args:
        metric: its name.
        difference: of ours to theirs.
        against: what theirs is called.
        maximize: whether more of the metric is better.
        share: the metric lies in [0, 1], and is shown in points of a hundred.

    >>> found = paired_difference([0.53, 0.54, 0.52], [0.50, 0.52, 0.50])
    >>> sentence("AP50", found, "Focal()", maximize=True, share=True)
    'better than Focal(): by 2.3 points of AP50, interval 0.9 to 3.8, 3 seeds'
    """
    factor, digits, unit = (100.0, 1, "points of ") if share else (1.0, 4, "in ")
    sign = 1 if maximize else -1
    mean, low, high = (factor * sign * x for x in _range(difference))
    low, high = min(low, high), max(low, high)
    seeds = f"{difference.pairs} seed{'s' if difference.pairs > 1 else ''}"
    if not math.isfinite(low):
        return (
            f"not known to be better than {against}: {mean:+.{digits}f} {unit}{metric}, "
            "and one seed has no interval"
        )
    interval = f"interval {low:.{digits}f} to {high:.{digits}f}, {seeds}"
    if low > 0:
        return f"better than {against}: by {mean:.{digits}f} {unit}{metric}, {interval}"
    if high < 0:
        return f"worse than {against}: by {-mean:.{digits}f} {unit}{metric}, {interval}"
    return f"no better than {against}: difference {mean:.{digits}f} {unit}{metric}, {interval}"


def _range(difference: Difference) -> tuple[float, float, float]:
    return difference.mean, difference.low, difference.high
