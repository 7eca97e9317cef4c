"""Child processes that train, one job at a time. The parent never imports TensorFlow."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from lossforge import errors

JOBS_A_CHILD = 10  # then a fresh process: TensorFlow keeps some memory of every training
ERRORS = {cls.exit_code: cls for cls in (errors.UsageError, errors.RecipeError, errors.StudyError)}


class Child:
    """A spawned process, and the job it is on.

    Its first message is ("ready", what it read) or ("error", exit code, message).

    Args:
        target: runs in the child as `target(connection, what, log)`.
        what: plain data for it.
        directory: where its log is.
        jobs: children at the same time; threads (or GPUs) are divided among them.
        number: of this child, below `jobs`.
    """

    def __init__(
        self, target: Callable[..., None], what: Any, directory: str, jobs: int, number: int
    ) -> None:
        self.number = number
        self.log = str(Path(directory) / f"worker-{number}.log")
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=target, args=(far_end, what, self.log), daemon=True)
        with _environment(jobs, number):
            self.process.start()
        far_end.close()
        self.ready = False
        self.job: Any = None
        self.done = 0

    def give(self, job: Any) -> None:
        self.job = job
        self.connection.send(job)

    def receive(self) -> tuple | None:
        """What it says, or None when it is gone.

        Raises:
            LossforgeError: when what it was asked to do is at fault.
        """
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return None
        if message[0] == "error":
            raise ERRORS.get(message[1], errors.LossforgeError)(message[2])
        return message

    def stop(self) -> None:
        self.connection.close()
        if self.job is not None:
            self.process.kill()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def heard(children: Sequence[Child]) -> list[Child]:
    """The children with something to say, after a second at most."""
    ready = wait([child.connection for child in children], timeout=1.0)
    return [child for child in children if child.connection in ready]


def free_number(children: Sequence[Child]) -> int:
    taken = {child.number for child in children}
    return next(n for n in range(len(taken) + 1) if n not in taken)


def begin_child(log: str) -> None:
    """In the child: Ctrl-C is the parent's, output goes to the log, and it ends with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)  # native code included
    os.dup2(file, 2)
    os.close(file)


def _die_with_parent() -> None:
    """Ends this process when the one that started it is gone, even by SIGKILL."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
