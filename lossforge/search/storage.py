"""Where a study lives: a journal file beside its report, or any storage of Optuna's."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from lossforge.errors import StudyError

JOURNAL = "journal.log"


class FileLock:
    """`flock` on a file beside the journal, for who appends to it.

    The kernel frees it when its holder dies, so a process that was killed never blocks the others.
    A last line that a killed process, or a full disk, left half written is cut off first: it would
    swallow the next.
    """

    def __init__(self, path: Path) -> None:
        self._journal, self._path = path, Path(f"{path}.lock")
        self._file: int | None = None

    def acquire(self) -> bool:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        try:
            cut_torn_line(self._journal)
        except OSError:
            self.release()
            raise
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
            if storage.startswith("grpc://"):
                return _patient(_proxy(storage))
            options = {} if storage.startswith("sqlite") else {"pool_pre_ping": True}
            return _patient(optuna.storages.RDBStorage(storage, engine_kwargs=options))
        path = Path(storage) if storage else directory / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire()  # what was torn is cut off before anything is read
        lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, lock)))
    except Exception as error:  # any driver may raise anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        place = storage or directory
        raise StudyError(f"Can't open the storage '{place}': {reason}") from error


def _proxy(url: str) -> BaseStorage:
    """Optuna's gRPC proxy at grpc://host:port, for very many workers."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    with warnings.catch_warnings():  # that it is experimental is in the guide
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        proxy = optuna.storages.GrpcStorageProxy(
            host=parts.hostname or "localhost", port=parts.port or 13000
        )
    proxy.wait_server_ready(timeout=10)
    return proxy


def _patient(storage: BaseStorage, patience: float = 300.0) -> BaseStorage:
    """The storage, whose calls are repeated for a while when it can't be reached.

    A database that restarts, or a network that is gone for half a minute, ends no search.
    """
    for name in dir(BaseStorage):
        if not name.startswith("_") and callable(getattr(storage, name)):
            setattr(storage, name, _repeated(getattr(storage, name), patience))
    return storage


def _repeated(call: Callable[..., Any], patience: float) -> Callable[..., Any]:
    @functools.wraps(call)
    def repeated(*arguments: Any, **named: Any) -> Any:
        start, pause = time.monotonic(), 0.5
        while True:
            try:
                return call(*arguments, **named)
            except Exception as error:
                if not _unreachable(error):
                    raise
                if time.monotonic() - start > patience:
                    raise StudyError(
                        f"The storage has been out of reach for {patience:.0f} s; the same command "
                        f"goes on when it is back. It says: {' '.join(str(error).split())[:200]}"
                    ) from error
                time.sleep(pause)
                pause = min(2 * pause, 10.0)

    return repeated


def _unreachable(error: Exception) -> bool:
    """Whether a connection failed: not a wrong password, not a full disk."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionError | OperationalError | InterfaceError):
            return "authentication" not in str(cause) and "unable to open" not in str(cause)
        if type(cause).__module__.startswith("grpc"):
            return "UNAVAILABLE" in str(cause)
        cause = cause.__cause__
    return False


def cut_torn_line(path: Path) -> None:
    """Cuts off the end of a file behind its last newline."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if file.read(1) in (b"\n", b""):
            return
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)


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
