"""Joins a study that a search began, from this machine or another."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from lossforge.search import study as studies
from lossforge.search.confirm import plan_of
from lossforge.search.run_search import Screen, work_on


def join(
    directory: Path,
    storage: str | None = None,
    jobs: int = 1,
    trials: int | None = None,
    minutes: float | None = None,
    console: Console | None = None,
    on_trial: Callable[[Any], None] | None = None,
) -> optuna.Study:
    """Works until the study has its trials. Its logs have a directory of their own.

    Raises:
        StudyError: for no such study, or a recipe that was changed since it began.
        NoTrialError: when no trial completed.
    """
    console = console or Console(highlight=False, stderr=True)
    study = studies.load_study(directory.name, storage, directory)
    logs = directory / f"logs-{socket.gethostname()}-{os.getpid()}"
    logs.mkdir(parents=True, exist_ok=True)
    plan = plan_of(study, directory, storage, jobs)
    planned = trials or max(plan.trials, study.user_attrs.get("trials", 0))
    plan = dataclasses.replace(plan, trials=planned, minutes=minutes)
    return work_on(plan, Screen(plan, console, on_trial), str(logs))
