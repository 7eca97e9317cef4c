"""Keeps worker processes at work until a study has its trials. Never imports TensorFlow."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from lossforge import errors
from lossforge.search import study as studies
from lossforge.search.plan import Plan
from lossforge.search.worker import work

TRIALS_A_WORKER = 10  # then a fresh process: TensorFlow keeps some memory of every trial
STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}
ERRORS = {cls.exit_code: cls for cls in (errors.UsageError, errors.RecipeError, errors.StudyError)}

Listener = Callable[[str, Any], None]


class Worker:
    """A child process and the trial it is on."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.log = str(Path(plan.directory) / f"worker-{number}.log")
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=work, args=(far_end, plan, self.log), daemon=True)
        with _environment(plan.jobs, number):
            self.process.start()
        far_end.close()
        self.ready = False
        self.trial: int | None = None
        self.done = 0

    def give(self, trial: int) -> None:
        self.trial = trial
        self.connection.send(trial)

    def stop(self) -> None:
        self.connection.close()
        if self.trial is not None:
            self.process.kill()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


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
    workers: list[Worker] = []
    broken = 0
    try:
        workers.append(Worker(plan, 0))
        while workers:
            for worker in _heard(workers):
                message = _receive(worker)
                if message is None:  # the process is gone
                    workers.remove(worker)
                    worker.process.join()
                    broken += not worker.ready
                    if broken > 2:
                        raise errors.LossforgeError(
                            f"Workers die before they can train; see {worker.log}."
                        )
                    if study is not None and worker.trial is not None:
                        reason = f"the worker died (exit code {worker.process.exitcode})"
                        studies.give_up(study, worker.trial, reason, retry=True)
                        tell("trial", worker.trial)
                elif message[0] == "error":
                    raise ERRORS.get(message[1], errors.LossforgeError)(message[2])
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
            if study is not None and worker.trial is not None:
                studies.give_up(study, worker.trial, "interrupted", retry=True)
            worker.stop()


def _assign(plan: Plan, study: optuna.Study, workers: list[Worker], late: bool) -> None:
    """Gives idle workers a trial while any is left to do; lets go of those not needed."""
    running = sum(worker.trial is not None for worker in workers)
    wanted = 0 if late else max(0, plan.trials - studies.spent(study) - running)
    for worker in list(workers):
        if worker.trial is not None or not worker.ready:
            continue
        if wanted and worker.done < TRIALS_A_WORKER:
            worker.give(studies.ask(study))
            wanted -= 1
        else:
            worker.stop()
            workers.remove(worker)
    starting = sum(not worker.ready for worker in workers)
    for _ in range(min(plan.jobs - len(workers), wanted - starting)):
        taken = {worker.log for worker in workers}
        free = (n for n in range(plan.jobs) if not any(f"worker-{n}." in log for log in taken))
        workers.append(Worker(plan, next(free)))


def _finish(study, worker: Worker, number: int, state: str, score, reason) -> None:
    values = score if state == "complete" else None
    study.tell(number, values, state=STATES[state], skip_if_finished=True)
    worker.trial = None
    worker.done += 1


def _heard(workers: list[Worker]) -> list[Worker]:
    ready = wait([worker.connection for worker in workers], timeout=1.0)
    return [worker for worker in workers if worker.connection in ready]


def _receive(worker: Worker) -> tuple | None:
    try:
        return worker.connection.recv()
    except (EOFError, ConnectionResetError):
        return None


@contextlib.contextmanager
def _environment(jobs: int, number: int) -> Iterator[None]:
    """What a child must find in its environment before TensorFlow starts."""
    wanted = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    if jobs > 1:
        threads = str(max(1, (os.cpu_count() or 1) // jobs))
        wanted |= {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}
        visible = [g for g in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if g.strip()]
        if len(visible) > 1:
            wanted["CUDA_VISIBLE_DEVICES"] = visible[number % len(visible)]
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({n: v for n, v in wanted.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
