"""Where a study lives: a journal file beside its report, or any storage of Optuna's."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from lossforge.errors import StudyError

JOURNAL = "journal.log"


class FileLock:
    """`flock` on a file beside the journal. The kernel frees it when its holder dies, so a process
    that was killed never blocks the others."""

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}.lock")
        self._file: int | None = None

    def acquire(self) -> bool:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_storage(storage: str | None, directory: Path) -> BaseStorage:
    """The journal in `directory`, or the storage of that URL (or journal file).

    Raises:
        StudyError: for a storage that can't be opened.
    """
    try:
        if storage and "://" in storage:
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            return optuna.storages.RDBStorage(storage)
        path = Path(storage) if storage else directory / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        repair(path, lock)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, lock)))
    except Exception as error:  # any driver may raise anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        place = storage or directory
        raise StudyError(f"Can't open the storage '{place}': {reason}") from error


def repair(path: Path, lock: FileLock) -> None:
    """Cuts off a last line that a killed process left half written: it would hide the next."""
    if not path.exists():
        return
    lock.acquire()
    try:
        with open(path, "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            while end > 0:
                start = max(0, end - 65536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
            file.truncate(end)
    finally:
        lock.release()


@contextlib.contextmanager
def only_search(directory: Path) -> Iterator[None]:
    """Holds the directory for one search.

    Raises:
        StudyError: while another search holds it, or when it can't be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = open(directory / "search.lock", "a+")  # noqa: SIM115
    except OSError as error:
        raise StudyError(f"Can't write to the study in {directory}: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(
                f"Another search is at work in {directory}. Wait for it, or give --directory."
            ) from None
        yield
