"""The best trials of a search again, on further seeds; who falls behind is pruned on the way."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from lossforge.errors import NoTrialError
from lossforge.run import write_atomically
from lossforge.search import study as studies
from lossforge.search.compare import Progress
from lossforge.search.plan import Plan
from lossforge.search.trainings import Setup, Trainings

RAW = "finals.json"
FINALISTS = 4
P_VALUE = 0.2


class Race:
    """Contenders on the same seeds, with Optuna's Wilcoxon pruner as the judge.

    A contender is out when the signed ranks of its differences to the best one that has finished,
    seed by seed, say with p < 0.2 that it is worse: from the third seed on. Who is out was merely
    not chosen, so that the threshold may be loose.

    Source: Wilcoxon 1945, Individual Comparisons by Ranking Methods.

    Args:
        contenders: how many.
        seeds: how many each has to finish.
        maximize: whether more is better.
    """

    def __init__(self, contenders: int, seeds: int, maximize: bool) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            judge = optuna.pruners.WilcoxonPruner(p_threshold=P_VALUE, n_startup_steps=3)
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._study = optuna.create_study(direction=direction, pruner=judge)
        self._trials = [self._study.ask() for _ in range(contenders)]
        self._values: list[list[float]] = [[] for _ in range(contenders)]
        self._seeds = seeds
        self.out: set[int] = set()

    def record(self, contender: int, seed: int, value: float) -> None:
        """The score of a contender with the seed of that place; NaN: it did not train."""
        if contender in self.out:
            return
        trial, values = self._trials[contender], self._values[contender]
        values.append(value)
        if not math.isfinite(value):
            self._end(contender, TrialState.FAIL)
            return
        trial.report(value, seed)
        if len(values) == self._seeds:
            self._study.tell(trial, math.fsum(values) / self._seeds)
        elif trial.should_prune():
            self._end(contender, TrialState.PRUNED)

    def winner(self) -> int:
        """The contender of the best mean over all seeds.

        Raises:
            NoTrialError: when none finished.
        """
        try:
            return self._study.best_trial.number
        except ValueError:
            raise NoTrialError("No finalist trained on all seeds.") from None

    def _end(self, contender: int, state: TrialState) -> None:
        self.out.add(contender)
        self._study.tell(self._trials[contender], state=state)


def finals(plan: Plan, study: optuna.Study, console: Console) -> None:
    """Retrains the best trials and the recipe's own loss on `plan.finals` further seeds.

    The winner by the mean of these seeds becomes the study's best trial. Writes finals.json. What
    is trained is not trained again.

    Raises:
        NoTrialError: when no finalist trained.
    """
    contenders = _contenders(study)
    console.print(f"finals: the best {len(contenders)} on {plan.finals} further seeds")
    trainings = Trainings(_setup(plan, contenders), _seeds(plan), by_seed=False)
    maximize = study.directions[0] == StudyDirection.MAXIMIZE
    race = Race(len(contenders), plan.finals, maximize)
    progress = Progress(trainings, console)

    def tell(what: str, message: Any) -> None:
        done = list(trainings.results) if what == "begin" else [message[0]]
        for contender, seed in sorted(done):
            result = trainings.results[contender, seed]
            value = result["metrics"].get(trainings.described["score"], math.nan)
            race.record(contender, trainings.seeds.index(seed), value)
        trainings.drop(race.out)
        progress(what, message)

    trainings.tell = tell
    trainings.run()
    data = _data(contenders, trainings, race)
    write_atomically(Path(plan.directory) / RAW, json.dumps(data, indent=2) + "\n")
    study.set_user_attr(studies.FINALS, data)
    console.print(sentence(data), soft_wrap=True)


def sentence(data: dict[str, Any]) -> str:
    """What the finals say, in words."""
    means = {entry["trial"]: entry["mean"] for entry in data["contenders"]}
    own = next((e["trial"] for e in data["contenders"] if e["own"]), None)
    best = data["winner"]
    seeds = f"over {len(data['seeds'])} further seeds"
    if best == own:
        return f"Finals: the recipe's own loss has the best mean {seeds}, {means[best]:.4f}."
    against = "" if own is None or means[own] is None else f", the recipe's own {means[own]:.4f}"
    out = sum(entry["out"] for entry in data["contenders"])
    return (
        f"Finals: trial {best} has the best mean {seeds}, {means[best]:.4f}{against}; "
        f"{out} of {len(means)} fell behind on the way."
    )


def _contenders(study: optuna.Study) -> list[FrozenTrial]:
    """The best by their own seed, of different losses, and the recipe's own loss."""
    different: dict[str, FrozenTrial] = {}
    for trial in studies.ranked(study, by_finals=False):
        config = trial.user_attrs["loss_config"]
        if config not in different or studies.is_baseline(trial):
            different[config] = trial
    ordered = list(different.values())
    own = [trial for trial in ordered[FINALISTS:] if studies.is_baseline(trial)]
    return ordered[:FINALISTS] + own


def _setup(plan: Plan, contenders: Sequence[FrozenTrial]) -> Setup:
    return Setup(
        recipe=plan.recipe,
        settings=plan.settings,
        directory=plan.directory,
        contenders=tuple((trial.user_attrs["loss_config"],) for trial in contenders),
        epochs=plan.epochs,
        precision=plan.precision,
        score=plan.score.split(":")[0] if plan.score else None,
        jobs=plan.jobs,
    )


def _seeds(plan: Plan) -> range:
    return range(plan.seed + 1, plan.seed + 1 + plan.finals)


def _data(contenders: Sequence[FrozenTrial], trainings: Trainings, race: Race) -> dict[str, Any]:
    score = trainings.described["score"]
    entries = []
    for index, trial in enumerate(contenders):
        found = [trainings.results.get((index, seed)) for seed in trainings.seeds]
        values = [r["metrics"].get(score) for r in found if r is not None]
        known = [v for v in values if v is not None]
        entries.append(
            {
                "trial": trial.number,
                "own": studies.is_baseline(trial),
                "values": values,
                "mean": math.fsum(known) / len(known) if known else None,
                "out": index in race.out,
            }
        )
    return {
        "score": score,
        "seeds": list(trainings.seeds),
        "contenders": entries,
        "winner": contenders[race.winner()].number,
    }
