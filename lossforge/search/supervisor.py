"""Keeps worker processes at work until a study has its trials. Never imports TensorFlow."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState

from lossforge.errors import LossforgeError, StudyError
from lossforge.search import study as studies
from lossforge.search.heartbeat import Heartbeat
from lossforge.search.plan import Plan
from lossforge.search.processes import JOBS_A_CHILD, Child, free_number, heard
from lossforge.search.worker import work

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}

Listener = Callable[[str, Any], None]


class Supervisor:
    """Trains trials in `plan.jobs` workers until the study has `plan.trials`, or time is up.

    Others may work on the same study: trials of all count, and those of the dead are retried.

    Args:
        plan: what to search.
        study_of: opens the study, given what the first worker read in the recipe.
        tell: called with ("epoch", message), ("trial", number), ("reaped", numbers).
        logs: directory for the workers' logs, other than the plan's.
        heartbeat: made of the study.
    """

    def __init__(
        self,
        plan: Plan,
        study_of: Callable[[dict[str, Any]], optuna.Study],
        tell: Listener,
        logs: str | None = None,
        heartbeat: Callable[[optuna.Study], Heartbeat] = Heartbeat,
    ) -> None:
        self._plan, self._study_of, self._tell = plan, study_of, tell
        self._logs, self._heartbeat_of = logs or plan.directory, heartbeat
        self._workers: list[Child] = []
        self._study: optuna.Study | None = None
        self._heartbeat: Heartbeat | None = None
        self._broken = 0

    def run(self) -> None:
        """On KeyboardInterrupt, and on any error, workers stop and their trials are queued."""
        start = time.monotonic()
        try:
            self._workers.append(self._worker(0))
            at_work = True
            while at_work:
                for worker in self._heard():
                    self._hear(worker)
                if self._study is not None and self._heartbeat is not None:
                    self._heartbeat.beat()
                    reaped = self._heartbeat.reap()
                    if reaped:
                        self._tell("reaped", reaped)
                    minutes = self._plan.minutes
                    late = minutes is not None and time.monotonic() - start > 60 * minutes
                    at_work = self._assign(self._study, self._heartbeat, late)
        finally:
            self._stop()

    def _heard(self) -> list[Child]:
        if not self._workers:
            time.sleep(1.0)  # others finish the last trials
        return heard(self._workers)

    def _worker(self, number: int) -> Child:
        return Child(work, self._plan, self._logs, self._plan.jobs, number)

    def _hear(self, worker: Child) -> None:
        message = worker.receive()
        if message is None:
            self._lost(worker)
        elif message[0] == "ready":
            worker.ready = True
            if self._study is None:
                self._study = self._study_of(message[1])
                self._heartbeat = self._heartbeat_of(self._study)
        elif message[0] == "epoch":
            self._tell("epoch", message[1:])
        else:
            _, number, state, values, _ = message
            assert self._study is not None
            self._study.tell(
                number,
                values if state == "complete" else None,
                state=STATES[state],
                skip_if_finished=True,
            )
            worker.job = None
            worker.done += 1
            self._tell("trial", number)

    def _lost(self, worker: Child) -> None:
        """The process is gone: its trial is queued again."""
        self._workers.remove(worker)
        self._broken += not worker.ready
        if self._broken > 2:
            raise LossforgeError(f"Workers die before they can train; see {worker.log}.")
        if self._study is not None and worker.job is not None:
            reason = f"the worker died (exit code {worker.process.exitcode})"
            studies.give_up(self._study, worker.job, reason, retry=True)
            self._tell("trial", worker.job)

    def _assign(self, study: optuna.Study, heartbeat: Heartbeat, late: bool) -> bool:
        """Gives idle workers a trial while any is left to do; whether there is reason to stay."""
        running = studies.running(study)
        left = 0 if late else self._plan.trials - studies.spent(study) - len(running)
        for worker in list(self._workers):
            if worker.job is not None or not worker.ready:
                continue
            number = None
            if left > 0 and worker.done < JOBS_A_CHILD:
                number = studies.ask(study, heartbeat.owner, self._plan.trials)
            if number is None:
                worker.stop()
                self._workers.remove(worker)
            else:
                worker.give(number)
                left -= 1
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self._plan.jobs - len(self._workers), left - starting)):
            self._workers.append(self._worker(free_number(self._workers)))
        return bool(self._workers) or (bool(running) and not late)

    def _stop(self) -> None:
        for worker in self._workers:
            if self._study is not None and worker.job is not None:
                # On a full disk, or out of reach: the next search finds the trial.
                with contextlib.suppress(OSError, StudyError):
                    studies.give_up(self._study, worker.job, "interrupted", retry=True, count=False)
            worker.stop()
