"""How the score moves when one hyper-parameter of a loss moves: which knob matters?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lossforge.errors import NoTrialError
from lossforge.run import write_atomically
from lossforge.search.compare import Progress
from lossforge.search.comparison import Comparison, comparison_of
from lossforge.search.paired import mean_and_half_width
from lossforge.search.storage import only_search
from lossforge.search.trainings import Setup, Trainings

TABLE, RAW, PICTURE = "sensitivity.md", "sensitivity.json", "sensitivity.png"


def sensitivity(setup: Setup, seeds: Sequence[int], console: Console | None = None) -> dict:
    """Trains the first contender with each hyper-parameter moved; writes table and picture.

    Returns: {parameter: {"values", "means", "half_widths", "range"}}, the most important first.
    `range` is the best mean less the worst; `half_widths` are those of 95 % intervals.

    Raises:
        NoTrialError: when no training finished.
        LossforgeError: for whatever the user can mend, a loss without declared ranges included.
    """
    console = console or Console(highlight=False, stderr=True)
    directory = Path(setup.directory)
    with only_search(directory):
        trainings = Trainings(setup, seeds)
        trainings.tell = Progress(trainings, console)
        trainings.run()
    described = trainings.described
    found = comparison_of("", described, trainings.results, seeds, described["score"])
    if found.mean(0) is None:
        raise NoTrialError(f"The loss itself did not train: {found.reasons[:1]}.")
    curves = _curves(found, described["moves"])
    data: dict[str, Any] = {"recipe": setup.recipe, "loss": found.labels[0], "score": found.score}
    data |= {"mean": found.mean(0), "seeds": list(seeds), "parameters": curves}
    write_atomically(directory / RAW, json.dumps(data, indent=2) + "\n")
    write_atomically(directory / TABLE, _markdown(data))
    _draw(data, directory / PICTURE)
    console.print(_markdown(data), markup=False, soft_wrap=True)
    console.print(f"{directory / TABLE}  {directory / PICTURE}", soft_wrap=True)
    return data


def _curves(found: Comparison, moves: Sequence[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    curves: dict[str, dict[str, Any]] = {}
    for index, (name, value) in enumerate(moves, 1):
        row = [v for v in found.values[found.score][index] if math.isfinite(v)]
        curve = curves.setdefault(name, {"values": [], "means": [], "half_widths": []})
        mean, half = mean_and_half_width(row) if row else (None, None)
        curve["values"].append(value)
        curve["means"].append(mean)
        curve["half_widths"].append(half if half is not None and math.isfinite(half) else None)
    for curve in curves.values():
        known = [mean for mean in curve["means"] if mean is not None]
        curve["range"] = max(known) - min(known) if known else None
    return dict(sorted(curves.items(), key=lambda item: -(item[1]["range"] or 0.0)))


def _markdown(data: Mapping[str, Any]) -> str:
    lines = [f"# Sensitivity of `{data['loss']}` on {data['recipe']}", ""]
    lines += [f"{data['score']} {data['mean']:.4f} as it is; {len(data['seeds'])} seeds.", ""]
    lines += ["| parameter | range of means | " + "value: mean +- 95 % |", "|---|---|---|"]
    for name, curve in data["parameters"].items():
        cells = []
        for value, mean, half in zip(
            curve["values"], curve["means"], curve["half_widths"], strict=True
        ):
            around = f" +- {half:.4f}" if half is not None else ""
            cells.append(f"{value}: " + ("failed" if mean is None else f"{mean:.4f}{around}"))
        spread = "-" if curve["range"] is None else f"{curve['range']:.4f}"
        lines.append(f"| {name} | {spread} | {', '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _draw(data: Mapping[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    curves = data["parameters"]
    figure = Figure(figsize=(4 * len(curves), 3), layout="constrained")
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (name, curve) in zip(panels, curves.items(), strict=True):
        known = [i for i, mean in enumerate(curve["means"]) if mean is not None]
        axes.errorbar(
            [str(curve["values"][i]) for i in known],
            [curve["means"][i] for i in known],
            yerr=[curve["half_widths"][i] or 0.0 for i in known],
            fmt="o-",
            capsize=3,
        )
        axes.axhline(data["mean"], color="grey", linestyle="--")
        axes.set_xlabel(name)
    panels[0].set_ylabel(data["score"])
    figure.savefig(path, dpi=120)
