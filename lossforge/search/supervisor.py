"""Keeps worker processes at work until a study has its trials. Never imports TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState

from lossforge import errors
from lossforge.search import study as studies
from lossforge.search.plan import Plan
from lossforge.search.processes import JOBS_A_CHILD, Child, free_number, heard
from lossforge.search.worker import work

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}

Listener = Callable[[str, Any], None]


def supervise(plan: Plan, study_of: Callable[[dict], optuna.Study], tell: Listener) -> None:
    """Trains trials in `plan.jobs` workers until the study has `plan.trials`, or time is up.

    Args:
        plan: what to search.
        study_of: opens the study, given what the first worker read in the recipe.
        tell: called with ("ready", described), ("epoch", message), ("trial", number).

    On KeyboardInterrupt, and on any error, workers are stopped and their trials queued again.
    """
    start = time.monotonic()
    study: optuna.Study | None = None
    workers: list[Child] = []
    broken = 0
    try:
        workers.append(_worker(plan, 0))
        while workers:
            for worker in heard(workers):
                message = worker.receive()
                if message is None:  # the process is gone
                    workers.remove(worker)
                    broken += not worker.ready
                    if broken > 2:
                        raise errors.LossforgeError(
                            f"Workers die before they can train; see {worker.log}."
                        )
                    if study is not None and worker.job is not None:
                        reason = f"the worker died (exit code {worker.process.exitcode})"
                        studies.give_up(study, worker.job, reason, retry=True)
                        tell("trial", worker.job)
                elif message[0] == "ready":
                    worker.ready = True
                    if study is None:
                        study = study_of(message[1])
                elif message[0] == "epoch":
                    tell("epoch", message[1:])
                else:
                    _finish(study, worker, *message[1:])
                    tell("trial", message[1])
            if study is not None:
                late = plan.minutes is not None and time.monotonic() - start > 60 * plan.minutes
                _assign(plan, study, workers, late)
    finally:
        for worker in workers:
            if study is not None and worker.job is not None:
                studies.give_up(study, worker.job, "interrupted", retry=True)
            worker.stop()


def _worker(plan: Plan, number: int) -> Child:
    return Child(work, plan, plan.directory, plan.jobs, number)


def _assign(plan: Plan, study: optuna.Study, workers: list[Child], late: bool) -> None:
    """Gives idle workers a trial while any is left to do; lets go of those not needed."""
    running = sum(worker.job is not None for worker in workers)
    wanted = 0 if late else max(0, plan.trials - studies.spent(study) - running)
    for worker in list(workers):
        if worker.job is not None or not worker.ready:
            continue
        if wanted and worker.done < JOBS_A_CHILD:
            worker.give(studies.ask(study))
            wanted -= 1
        else:
            worker.stop()
            workers.remove(worker)
    starting = sum(not worker.ready for worker in workers)
    for _ in range(min(plan.jobs - len(workers), wanted - starting)):
        workers.append(_worker(plan, free_number(workers)))


def _finish(study, worker: Child, number: int, state: str, score, reason) -> None:
    values = score if state == "complete" else None
    study.tell(number, values, state=STATES[state], skip_if_finished=True)
    worker.job = None
    worker.done += 1
