"""The study of a search: opened, begun with the baseline; its trials counted, ranked, retried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from lossforge.errors import StudyError
from lossforge.search.plan import Objective, Plan
from lossforge.search.storage import open_storage

BASELINE, FINALS = "baseline", "finals"
RANDOM_FROM = 50_000  # beyond the numbers of trials of one study
optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(plan: Plan, maximize: Sequence[bool] = (True,)) -> optuna.Study:
    """The study of that name, new or as it was left.

    Args:
        plan: names the storage.
        maximize: the direction of each objective.
    """
    storage = open_storage(plan.storage, Path(plan.directory))
    wanted = [StudyDirection.MAXIMIZE if up else StudyDirection.MINIMIZE for up in maximize]
    try:
        study = optuna.create_study(
            study_name=plan.study_name,
            storage=storage,
            directions=wanted,
            sampler=optuna.samplers.RandomSampler(),  # trials are sampled in the workers
            load_if_exists=True,
        )
    except Exception as error:  # any storage may raise anything
        raise _cannot_open(plan.study_name, error) from error
    if study.directions != wanted:
        raise StudyError(
            f"The study '{plan.study_name}' has other objectives. Give --directory for a new study."
        )
    return study


def load_study(name: str, storage: str | None, directory: Path) -> optuna.Study:
    """A study that exists.

    Raises:
        StudyError: when it does not, or can't be opened.
    """
    if storage is None and not (directory / "journal.log").is_file():
        raise StudyError(
            f"There is no study in '{directory}'. 'lossforge search' makes one; for one in a "
            "database give --storage."
        )
    opened = open_storage(storage, directory)
    try:
        return optuna.load_study(study_name=name, storage=opened)
    except KeyError:
        raise StudyError(f"The storage holds no study '{name}'.") from None
    except Exception as error:
        raise _cannot_open(name, error) from error


def _cannot_open(name: str, error: Exception) -> StudyError:
    reason = " ".join(str(error).split())[:300]
    return StudyError(f"Can't open the study '{name}': {reason}")


def sampler_of(plan: Plan, number: int) -> optuna.samplers.BaseSampler:
    """Seeded by the trial's number: workers that begin alike must not draw alike."""
    seed = plan.seed * 100_003 + number
    if plan.sampler == "random":  # as a rival of TPE it must not draw what TPE begins with
        return optuna.samplers.RandomSampler(seed=seed + RANDOM_FROM)
    several = plan.score is not None and "," in plan.score
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=6, multivariate=True, group=not several
    )


def pruner_of(plan: Plan, epochs: int) -> optuna.pruners.BasePruner:
    """Halving keeps half after a quarter and after half of the epochs: fewer lose winners."""
    if plan.pruner == "none":
        return optuna.pruners.NopPruner()
    if plan.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(1, epochs // 4), reduction_factor=2
        )
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=max(1, epochs // 4), max_resource=epochs, reduction_factor=2
        )
    return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=max(1, epochs // 3))


def begin_with_baseline(
    study: optuna.Study, parameters: dict[str, Any], named: Sequence[dict[str, Any]] = ()
) -> None:
    """Queues the recipe's own loss as the first trial of a new study, and named losses after it."""
    if not any(is_baseline(trial) for trial in study.get_trials(deepcopy=False)):
        study.enqueue_trial(parameters, user_attrs={"origin": BASELINE})
        for known in named:
            study.enqueue_trial(known, user_attrs={"origin": "named"})


def is_baseline(trial: FrozenTrial | Trial) -> bool:
    return trial.user_attrs.get("origin") == BASELINE


def ask(study: optuna.Study, owner: str, total: int) -> int | None:
    """The number of a new trial, marked as the owner's; None when the study has its total.

    Several owners may ask at once: of the trials that are one too many, the youngest yield.
    """
    if len(_counted(study)) >= total:
        return None
    trial = study.ask()
    trial.set_user_attr("owner", owner)
    if sorted(_counted(study)).index(trial.number) >= total:
        give_up(study, trial.number, "one more than asked for", retry=False, count=False)
        return None
    return trial.number


def give_up(study: optuna.Study, number: int, reason: str, retry: bool, count: bool = True) -> bool:
    """Fails a running trial; with `retry`, the same parameters are queued again, once.

    Of several that give up the same trial, one does; the others change nothing and get False.
    """
    trial = study.get_trials(deepcopy=False)[number]
    retry = retry and "retry_of" not in trial.user_attrs
    storage, trial_id = study._storage, trial._trial_id
    try:
        storage.set_trial_user_attr(trial_id, "reason", reason)
        storage.set_trial_user_attr(trial_id, "retried", retry or not count)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False
    if retry and (trial.params or is_baseline(trial)):
        attributes = {n: trial.user_attrs[n] for n in ("origin",) if n in trial.user_attrs}
        parameters = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        study.enqueue_trial(parameters, user_attrs={**attributes, "retry_of": number})
    return True


def spent(study: optuna.Study) -> int:
    """Trials that count towards the total: finished ones, but for those that were retried."""
    return len(_counted(study)) - len(running(study))


def running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _counted(study: optuna.Study) -> list[int]:
    return [
        trial.number
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.WAITING and not trial.user_attrs.get("retried")
    ]


def ranked(study: optuna.Study, by_finals: bool = True) -> list[FrozenTrial]:
    """Completed trials that hold every guard: the winner of the finals first, if there were any.

    Then by the objective, the best first. With several objectives those that no other beats in all
    of them come first, and then the first objective decides.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    done = [trial for trial in done if all(v <= 0 for v in trial.constraints.values())]
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    front = set(pareto_front(study, done)) if len(study.directions) > 1 else set()
    winner = (study.user_attrs.get(FINALS) or {}).get("winner") if by_finals else None
    return sorted(
        done,
        key=lambda t: (t.number != winner, t.number not in front, sign * t.values[0], t.number),
    )


def pareto_front(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[int]:
    """Numbers of the trials that no other is at least as good as in all objectives."""
    signs = [-1 if d == StudyDirection.MAXIMIZE else 1 for d in study.directions]
    costs = {t.number: [s * v for s, v in zip(signs, t.values, strict=True)] for t in trials}
    return [
        number
        for number, cost in costs.items()
        if not any(
            other != cost and all(o <= c for o, c in zip(other, cost, strict=True))
            for other in costs.values()
        )
    ]


def objectives_of(study: optuna.Study) -> list[Objective]:
    return [Objective(*pair) for pair in study.user_attrs["objectives"]]
