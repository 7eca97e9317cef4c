"""Before a search: does the loss matter here at all, and how noisy is the score?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from lossforge.search.comparison import Comparison


@dataclasses.dataclass(frozen=True)
class Headroom:
    """What a few named losses on a few seeds say.

    Args:
        best: the named loss of the best mean.
        gain: its mean over the recipe's own loss, positive where it is better.
        noise: standard deviation of the score between seeds, of one loss.
        least: the gain that these seeds could tell from noise.
        enough: whether `gain` is above it.
    """

    best: str
    gain: float
    noise: float
    least: float
    enough: bool

    def sentence(self, score: str) -> str:
        found = f"{self.best} gains {self.gain:+.4f} in {score} over the recipe's own loss"
        noise = f"noise between seeds {self.noise:.4f}, gains from {self.least:.4f} on can be told"
        if self.enough:
            return f"headroom: {found} ({noise})"
        return f"no headroom: no named loss is better beyond noise; {found} ({noise})"


def headroom(found: Comparison) -> Headroom:
    """The verdict of a comparison whose first loss is the recipe's own.

    Losses and seeds are a two-way table without repetition. What is left when the means of losses
    and of seeds are taken off is noise, with (losses - 1)(seeds - 1) degrees of freedom. The best
    of k named losses is better beyond noise when its gain is above

        t(1 - 0.05 / k) sqrt(2 residual / seeds)

    so that the best of k is not flattered by the choice (Bonferroni).

    Source: Fisher 1925, Statistical Methods for Research Workers (two-way analysis of variance);
        Dunn 1961, Multiple Comparisons among Means.

    Raises:
        ValueError: when the own loss did not finish with two seeds, or no other did.
    """
    rows = found.values[found.score]
    seeds = [s for s in range(len(found.seeds)) if math.isfinite(rows[0][s])]
    whole = [i for i, row in enumerate(rows) if all(math.isfinite(row[s]) for s in seeds)]
    others = [i for i in whole if i]
    if len(seeds) < 2 or not others:
        raise ValueError("The gate needs two seeds of the recipe's own loss and of another.")
    table = [[rows[i][s] for s in seeds] for i in whole]
    sign = 1 if found.maximize else -1
    means = {i: _mean(row) for i, row in zip(whole, table, strict=True)}
    best = max(others, key=lambda i: sign * means[i])
    gain = sign * (means[best] - means[0])
    residual = _residual(table)
    freedom = (len(whole) - 1) * (len(seeds) - 1)
    from scipy.stats import t

    point = float(t.ppf(1 - 0.05 / len(others), freedom))
    least = point * math.sqrt(2 * residual / len(seeds))
    noise = math.sqrt(_mean([_variance(row) for row in table]))
    return Headroom(found.labels[best], gain, noise, least, gain > least)


def chosen_names(
    losses: Mapping[str, str], names: Mapping[str, Sequence[str]], most: int
) -> list[tuple[str, str]]:
    """(slot, name) of up to `most` named losses, slot by slot in turn.

    From the middle of each slot's list: neighbours of the recipe's own loss are often listed first,
    exotic ones last.

    >>> chosen_names({"box": "SmoothL1()"}, {"box": ["SmoothL1", "Huber", "IoU", "GIoU"]}, most=2)
    [('box', 'IoU'), ('box', 'GIoU')]

    Args:
        losses: text of the recipe's own loss of each slot.
        names: candidates of each slot.
        most: how many.
    """
    queues = {
        slot: [name for name in names.get(slot, ()) if not text.startswith(f"{name}(")]
        for slot, text in losses.items()
    }
    chosen: list[tuple[str, str]] = []
    while any(queues.values()) and len(chosen) < most:
        for slot, queue in queues.items():
            if queue and len(chosen) < most:
                chosen.append((slot, queue.pop(len(queue) // 2)))
    return chosen


def _residual(table: Sequence[Sequence[float]]) -> float:
    """Mean square of what neither the loss nor the seed explains."""
    all_mean = _mean([_mean(row) for row in table])
    by_seed = [_mean(column) for column in zip(*table, strict=True)]
    squares = sum(
        (value - _mean(row) - by_seed[s] + all_mean) ** 2
        for row in table
        for s, value in enumerate(row)
    )
    return squares / ((len(table) - 1) * (len(by_seed) - 1))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
