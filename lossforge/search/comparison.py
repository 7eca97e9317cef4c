"""A table of losses against the first of them: means, paired differences, a picture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossforge.run import write_atomically
from lossforge.search.paired import Difference, mean_and_half_width, paired_difference, sentence

TABLE, RAW, PICTURE = "comparison.md", "comparison.json", "comparison.png"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Metrics of several losses on the same seeds. The first loss is what others are held against.

    Args:
        title: what was compared.
        labels: of the losses.
        seeds: trained with each.
        values: metric -> for each loss, its value for each seed; NaN where training failed.
        score: the metric that decides.
        maximize: whether more of it is better.
        reasons: (label, seed, reason) of trainings that failed.
    """

    title: str
    labels: Sequence[str]
    seeds: Sequence[int]
    values: Mapping[str, Sequence[Sequence[float]]]
    score: str
    maximize: bool
    reasons: Sequence[tuple[str, int, str]] = ()

    def difference(self, index: int, metric: str | None = None, to: int = 0) -> Difference | None:
        """Of a loss to another, over the seeds that both finished; None if there are none."""
        rows = self.values[metric or self.score]
        pairs = [
            (a, b)
            for a, b in zip(rows[index], rows[to], strict=True)
            if math.isfinite(a) and math.isfinite(b)
        ]
        return paired_difference([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None

    def best(self) -> int:
        """The loss of the best mean score."""
        sign = 1 if self.maximize else -1
        means = [self.mean(index) for index in range(len(self.labels))]
        known = [i for i, mean in enumerate(means) if mean is not None]
        return max(known, key=lambda i: sign * (means[i] or 0.0), default=0)

    def mean(self, index: int, metric: str | None = None) -> float | None:
        finite = [v for v in self.values[metric or self.score][index] if math.isfinite(v)]
        return math.fsum(finite) / len(finite) if finite else None

    def sentence(self, index: int, to: int = 0, metric: str | None = None) -> str:
        metric = metric or self.score
        difference = self.difference(index, metric, to)
        if difference is None:
            return f"not compared with {self.labels[to]}: no seed finished with both"
        rows = self.values[metric]
        known = [v for row in rows for v in row if math.isfinite(v)]
        share = all(0.0 <= v <= 1.0 for v in known)
        maximize = self.maximize if metric == self.score else True
        return sentence(metric, difference, self.labels[to], maximize, share)

    def markdown(self) -> str:
        lines = [f"# {self.title}", ""]
        lines += [
            f"Mean over {len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''} "
            f"({', '.join(map(str, self.seeds))}); in brackets the difference to the first loss, "
            "seed by seed, with its 95 % interval.",
            "",
        ]
        metrics = list(self.values)
        lines += ["| loss | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
        for index, label in enumerate(self.labels):
            cells = " | ".join(self._cell(index, metric) for metric in metrics)
            lines.append(f"| `{label}` | {cells} |")
        lines += [""]
        lines += [f"* `{label}` is {self.sentence(i)}." for i, label in self._others()]
        if self.reasons:
            lines += ["", "## Trainings that failed", ""]
            lines += [f"* `{label}`, seed {seed}: {reason}" for label, seed, reason in self.reasons]
        return "\n".join(lines) + "\n"

    def _others(self) -> list[tuple[int, str]]:
        return list(enumerate(self.labels))[1:]

    def _cell(self, index: int, metric: str) -> str:
        mean = self.mean(index, metric)
        if mean is None:
            return "failed"
        text = f"{mean:.4f}"
        difference = self.difference(index, metric) if index else None
        if difference is None:
            return text
        text += f" ({difference.mean:+.4f}"
        if difference.pairs > 1:
            text += f"; {difference.low:+.4f} to {difference.high:+.4f}"
        return text + ")"

    def as_data(self) -> dict[str, Any]:
        """All of it as plain data; numbers that do not exist are None."""

        def plain(value: float | None) -> float | None:
            return value if value is not None and math.isfinite(value) else None

        losses = []
        for index, label in enumerate(self.labels):
            entry: dict[str, Any] = {"loss": label, "metrics": {}}
            for metric, rows in self.values.items():
                found: dict[str, Any] = {"mean": plain(self.mean(index, metric))}
                found["values"] = [plain(v) for v in rows[index]]
                difference = self.difference(index, metric) if index else None
                if difference is not None:
                    found["difference"] = plain(difference.mean)
                    found["interval"] = [plain(difference.low), plain(difference.high)]
                entry["metrics"][metric] = found
            if index:
                entry["sentence"] = self.sentence(index)
            losses.append(entry)
        failed = [{"loss": n, "seed": s, "reason": r} for n, s, r in self.reasons]
        return {
            "title": self.title,
            "score": self.score,
            "direction": "maximize" if self.maximize else "minimize",
            "seeds": list(self.seeds),
            "losses": losses,
            "failed": failed,
        }

    def write(self, directory: Path, grid: str | None = None) -> None:
        """comparison.md, comparison.json and comparison.png; `grid` names one more picture."""
        import json

        pictures = [f"\n![{name}]({name})\n" for name in (PICTURE, grid) if name]
        write_atomically(directory / TABLE, self.markdown() + "".join(pictures))
        write_atomically(directory / RAW, json.dumps(self.as_data(), indent=2) + "\n")
        self.draw(directory / PICTURE)

    def draw(self, path: Path) -> None:
        """Every seed as a dot, every mean with its 95 % interval, for the score."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 1.2 + 0.45 * len(self.labels)), layout="constrained")
        axes = figure.subplots()
        for index, row in enumerate(self.values[self.score]):
            finite = [v for v in row if math.isfinite(v)]
            axes.plot(finite, [index] * len(finite), "o", color="tab:blue", alpha=0.4)
            if len(finite) > 1:
                mean, half = mean_and_half_width(finite)
                axes.errorbar(mean, index, xerr=half, fmt="D", color="black", capsize=4)
        axes.set_yticks(range(len(self.labels)), [_short(label) for label in self.labels])
        axes.invert_yaxis()
        axes.set_xlabel(f"{self.score}: seeds, mean and its 95 % interval")
        axes.grid(axis="x", alpha=0.3)
        figure.savefig(path, dpi=120)


def comparison_of(
    title: str,
    described: Mapping[str, Any],
    results: Mapping[tuple[int, int], Mapping[str, Any]],
    seeds: Sequence[int],
    score: str,
    labels: Sequence[str] | None = None,
) -> Comparison:
    """The table of what `Trainings` gave."""
    labels = labels or [label_of(losses) for losses in described["losses"]]
    names = sorted({name for result in results.values() for name in result["metrics"]})
    names = [score, *(n for n in names if n != score)]
    missing: dict[str, Any] = {"metrics": {}, "reason": None}

    def value(index: int, seed: int, name: str) -> float:
        return float(results.get((index, seed), missing)["metrics"].get(name, math.nan))

    values = {
        name: [[value(i, seed, name) for seed in seeds] for i in range(len(labels))]
        for name in names
    }
    reasons = [
        (labels[index], seed, result["reason"])
        for (index, seed), result in sorted(results.items())
        if result["reason"]
    ]
    maximize = described["direction"] == "maximize"
    return Comparison(title, labels, seeds, values, score, maximize, reasons)


def label_of(losses: Mapping[str, str]) -> str:
    if len(losses) == 1:
        return next(iter(losses.values()))
    return "; ".join(f"{slot}={text}" for slot, text in losses.items())


def _short(label: str, longest: int = 48) -> str:
    return label if len(label) <= longest else label[: longest - 3] + "..."
