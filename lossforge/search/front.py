"""The front of a search with several scores, as a picture."""

from __future__ import annotations

import itertools
from pathlib import Path

import optuna

from lossforge.search.plan import Objective
from lossforge.search.study import is_baseline, objectives_of, pareto_front, ranked

FRONT = "front.png"


def draw_front(study: optuna.Study, path: Path) -> None:
    """Every trial by each pair of scores; the front is joined, the recipe's own loss marked.

    Args:
        study: with two objectives or more, and a completed trial.
        path: of the PNG.
    """
    from matplotlib.figure import Figure

    trials, objectives = ranked(study), objectives_of(study)
    front = set(pareto_front(study, trials))
    pairs = list(itertools.combinations(range(len(objectives)), 2))
    figure = Figure(figsize=(6.4 * len(pairs), 4.8), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        values = [(t.values[x], t.values[y]) for t in trials]
        axes.plot(*zip(*values, strict=True), "o", color="tab:gray", alpha=0.5, label="trials")
        best = sorted(v for v, t in zip(values, trials, strict=True) if t.number in front)
        axes.plot(*zip(*best, strict=True), "o-", color="tab:blue", label="front")
        own = [v for v, t in zip(values, trials, strict=True) if is_baseline(t)]
        if own:
            axes.plot(*zip(*own, strict=True), "D", color="black", label="the recipe's own loss")
        for trial, at in zip(trials, values, strict=True):
            if trial.number in front:
                axes.annotate(f" {trial.number}", at)
        axes.set_xlabel(_label(objectives[x]))
        axes.set_ylabel(_label(objectives[y]))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def _label(objective: Objective) -> str:
    return f"{objective.metric} ({'higher' if objective.maximize else 'lower'} is better)"
