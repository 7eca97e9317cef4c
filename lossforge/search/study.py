"""The study of a search: opened, begun with the baseline, and cleared of what a crash left."""

from __future__ import annotations

import os
import socket
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lossforge.errors import StudyError
from lossforge.search.plan import Plan
from lossforge.search.storage import open_storage

BASELINE = "baseline"
optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(plan: Plan, direction: str) -> optuna.Study:
    """The study of that name, new or as it was left."""
    from pathlib import Path

    storage = open_storage(plan.storage, Path(plan.directory))
    try:
        return optuna.create_study(
            study_name=plan.study_name,
            storage=storage,
            direction=optuna.study.StudyDirection[direction.upper()],
            sampler=optuna.samplers.RandomSampler(),  # trials are sampled in the workers
            load_if_exists=True,
        )
    except Exception as error:  # any storage may raise anything
        reason = " ".join(str(error).split())[:300]
        raise StudyError(f"Can't open the study '{plan.study_name}': {reason}") from error


def sampler_of(plan: Plan, number: int) -> optuna.samplers.BaseSampler:
    """Seeded by the trial's number: workers that begin alike must not draw alike."""
    return optuna.samplers.TPESampler(
        seed=plan.seed * 100_003 + number, n_startup_trials=6, multivariate=True, group=True
    )


def pruner_of(plan: Plan, epochs: int) -> optuna.pruners.BasePruner:
    if plan.pruner == "none":
        return optuna.pruners.NopPruner()
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=max(1, epochs // 4), max_resource=epochs, reduction_factor=2
        )
    return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=max(1, epochs // 3))


def check_space(study: optuna.Study, described: dict[str, Any]) -> None:
    """Remembers the space of a new study, and refuses to go on with another one."""
    known = study.user_attrs.get("space")
    if known is None:
        study.set_user_attr("space", described["space"])
    elif known != described["space"]:
        changed = sorted(
            f"{slot}.{name}"
            for slot in {*known, *described["space"]}
            for name in {*known.get(slot, {}), *described["space"].get(slot, {})}
            if known.get(slot, {}).get(name) != described["space"].get(slot, {}).get(name)
        )
        raise StudyError(
            f"The study '{study.study_name}' searched another space; it differs in "
            f"{', '.join(changed)}. Give --directory for a new study."
        )


def begin_with_baseline(study: optuna.Study, parameters: dict[str, Any]) -> None:
    """Queues the recipe's own loss as the first trial of a new study."""
    if not any(is_baseline(trial) for trial in study.get_trials(deepcopy=False)):
        study.enqueue_trial(parameters, user_attrs={"origin": BASELINE})


def is_baseline(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get("origin") == BASELINE


def ask(study: optuna.Study) -> int:
    """The number of a new trial, marked as this process's own."""
    trial = study.ask()
    trial.set_user_attr("owner", owner())
    return trial.number


def owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def clear_abandoned(study: optuna.Study, alone: bool) -> int:
    """Fails the trials that a dead search left running, and queues them again; how many.

    Args:
        alone: nobody else works on this study, so every running trial is abandoned. Otherwise
            only those of dead processes of this machine are.
    """
    abandoned = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if alone or _is_dead(trial.user_attrs.get("owner", ""))
    ]
    for trial in abandoned:
        give_up(study, trial.number, "the search was killed", retry=True)
    return len(abandoned)


def give_up(study: optuna.Study, number: int, reason: str, retry: bool) -> None:
    """Fails a running trial; with `retry`, the same parameters are queued again, once."""
    trial = study.get_trials(deepcopy=False)[number]
    attributes = {n: trial.user_attrs[n] for n in ("origin",) if n in trial.user_attrs}
    retry = retry and "retry_of" not in trial.user_attrs
    storage, trial_id = study._storage, trial._trial_id
    storage.set_trial_user_attr(trial_id, "reason", reason)
    storage.set_trial_user_attr(trial_id, "retried", retry)
    study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    if retry and (trial.params or is_baseline(trial)):
        parameters = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        study.enqueue_trial(parameters, user_attrs={**attributes, "retry_of": number})


def spent(study: optuna.Study) -> int:
    """Trials that count towards the total: finished ones, but for those that were retried."""
    return sum(
        trial.state.is_finished() and not trial.user_attrs.get("retried")
        for trial in study.get_trials(deepcopy=False)
    )


def ranked(study: optuna.Study) -> list[Any]:
    """Completed trials, best first."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    return sorted(done, key=lambda trial: (sign * trial.value, trial.number))


def _is_dead(name: str) -> bool:
    host, _, process = name.rpartition(":")
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
