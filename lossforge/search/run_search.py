"""A search from beginning to end, with its progress on the screen. Imports no TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console
from rich.table import Table

from lossforge.errors import NoTrialError
from lossforge.search import report, study
from lossforge.search.plan import Plan
from lossforge.search.storage import only_search, open_storage
from lossforge.search.supervisor import supervise


def run_search(plan: Plan, console: Console | None = None) -> optuna.Study:
    """Searches until the study has its trials, then writes and prints what was found.

    Raises:
        NoTrialError: when no trial completed.
        LossforgeError: for whatever the user can mend.
    """
    console = console or Console(highlight=False)
    directory = Path(plan.directory)
    with only_search(directory):
        open_storage(plan.storage, directory)  # a wrong storage shows before TensorFlow loads
        console.print(f"study {directory}: reading the recipe ...", soft_wrap=True)
        screen = _Screen(plan, console)
        try:
            supervise(plan, screen.open, screen)
        except KeyboardInterrupt:
            console.print("interrupted; the same command goes on from here", style="yellow")
            if screen.study is not None:
                _conclude(plan, screen, console)
            raise
        if screen.study is None or not study.ranked(screen.study):
            raise NoTrialError(_why_none(screen.study, directory))
        _conclude(plan, screen, console)
        return screen.study


class _Screen:
    """Listens to the supervisor: one line a finished trial, with the best and the time left."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan, self.console = plan, console
        self.study: Any = None
        self.score = ""
        self.start = time.monotonic()
        self.before = 0
        self.status: Any = None

    def open(self, described: dict[str, Any]) -> optuna.Study:
        self.study = study.open_study(self.plan, described["direction"])
        self.score = described["score"]
        study.check_space(self.study, described)
        again = study.clear_abandoned(self.study, alone=self.plan.storage is None)
        study.begin_with_baseline(self.study, described["baseline"])
        self.before = study.spent(self.study)
        self.start = time.monotonic()
        if self.before or again:
            self.console.print(
                f"resumed: {self.before} of {self.plan.trials} trials are done"
                + (f", {again} that were cut off run again" if again else "")
            )
        return self.study

    def __call__(self, what: str, message: Any) -> None:
        if what == "epoch":
            number, epoch, epochs, value = message
            if self.console.is_terminal:
                self.console.print(
                    f"  trial {number}  epoch {epoch}/{epochs}  {self.score} {value:.4f}",
                    style="dim",
                )
            return
        trial = self.study.get_trials(deepcopy=False)[message]
        spent, total = study.spent(self.study), self.plan.trials
        value = f"{trial.value:.4f}" if trial.value is not None else "-"
        best = study.ranked(self.study)
        state = trial.state.name.lower()
        reason = trial.user_attrs.get("reason")
        line = f"{spent}/{total}  trial {trial.number} {state}  {self.score} {value}"
        line += f" ({reason})" if reason else ""
        if best:
            line += f"  best {best[0].value:.4f} (trial {best[0].number})"
        done = spent - self.before
        if done > 0:
            left = (time.monotonic() - self.start) / done * max(0, total - spent)
            line += f"  {left / 60:.1f} min left"
        self.console.print(f"{line}\n    {report.loss_text(trial)}", soft_wrap=True)


def _conclude(plan: Plan, screen: _Screen, console: Console) -> None:
    if not study.ranked(screen.study):
        return
    directory = Path(plan.directory)
    report.write(screen.study, directory, screen.score, plan.recipe)
    table = Table("trial", screen.score, "to baseline")
    table.add_column("losses", overflow="fold")
    for row in report.rows(screen.study):
        table.add_row(*row)
    console.print(table)
    console.print(report.verdict(screen.study, screen.score), soft_wrap=True)
    console.print(f"{directory / report.REPORT}  {directory / report.BEST}", soft_wrap=True)


def _why_none(found: optuna.Study | None, directory: Path) -> str:
    trials = found.get_trials(deepcopy=False) if found is not None else []
    reasons = [t.user_attrs["reason"] for t in trials if "reason" in t.user_attrs]
    last = f" The last one: {reasons[-1]}." if reasons else ""
    return f"No trial completed.{last} The workers' logs are in {directory}."
