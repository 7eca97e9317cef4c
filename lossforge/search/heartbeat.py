"""Who is still at work on a study, on this machine and on others. Clocks may jump or differ."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

import optuna

from lossforge.search import study as studies

BEAT, PATIENCE = 60.0, 300.0  # seconds


class Heartbeat:
    """Counts up in the study while its owner lives, and finds trials whose owner does not.

    No time of day is written: a reader notices that a count stands still, by its own monotonic
    clock. So neither clocks that differ nor clocks that jump kill a living worker.

    Args:
        study: what is worked on.
        beat: seconds between two counts.
        patience: an owner whose count stood still so many seconds is dead.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        study: optuna.Study,
        beat: float = BEAT,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._study, self._beat, self._patience, self._clock = study, beat, patience, clock
        self._count, self._last = 0, -float("inf")
        self._looked = -float("inf")
        self._seen: dict[str, tuple[Any, float]] = {}

    def beat(self) -> None:
        """Counts up, when it is time to."""
        now = self._clock()
        if now - self._last >= self._beat:
            self._count, self._last = self._count + 1, now
            self._study.set_user_attr(f"alive/{self.owner}", self._count)

    def reap(self, at_once: bool = False) -> list[int]:
        """Gives up the running trials of dead owners, and queues them again; their numbers.

        Looks once a beat, or `at_once`.
        """
        now = self._clock()
        if not at_once and now - self._looked < self._beat:
            return []
        self._looked = now
        counts = self._study.user_attrs
        reaped = []
        for trial in studies.running(self._study):
            owner = trial.user_attrs.get("owner", f"unknown owner of trial {trial.number}")
            if owner == self.owner:
                continue
            count = counts.get(f"alive/{owner}")
            if self._seen.get(owner, (object(), 0.0))[0] != count:
                self._seen[owner] = (count, now)
            silent = now - self._seen[owner][1] > self._patience
            reason = "its worker is silent" if silent else "its search was killed"
            if (silent or _is_gone(owner)) and studies.give_up(
                self._study, trial.number, reason, retry=True
            ):
                reaped.append(trial.number)
        return reaped


def _is_gone(owner: str) -> bool:
    """Whether it was a process of this machine that no longer runs."""
    host, _, rest = owner.partition(":")
    process = rest.partition(":")[0]
    if host != socket.gethostname() or not process.isdigit():
        return False
    if int(process) == os.getpid():  # not this one: in containers numbers come again
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
