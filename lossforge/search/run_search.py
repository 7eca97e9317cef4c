"""A search from beginning to end, with its progress on the screen. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from lossforge.errors import NoTrialError, StudyError
from lossforge.recipe import find_recipe
from lossforge.search import report, study
from lossforge.search.finals import finals
from lossforge.search.heartbeat import Heartbeat
from lossforge.search.plan import Plan
from lossforge.search.same_space import check_same
from lossforge.search.storage import only_search, open_storage
from lossforge.search.supervisor import Supervisor


def run_search(
    plan: Plan, console: Console | None = None, on_trial: Callable[[Any], None] | None = None
) -> optuna.Study:
    """Searches until the study has its trials, then writes and prints what was found.

    Args:
        plan: what to search.
        console: where progress goes; by default stderr.
        on_trial: called with each trial that ends.

    Raises:
        NoTrialError: when no trial completed (or none holds the guards).
        LossforgeError: for whatever the user can mend.
    """
    console = console or Console(highlight=False, stderr=True)
    directory = Path(plan.directory)
    with only_search(directory):
        open_storage(plan.storage, directory)  # a wrong storage shows before TensorFlow loads
        console.print(f"study {directory}: reading the recipe ...", soft_wrap=True)
        return work_on(plan, Screen(plan, console, on_trial), last=finals if plan.finals else None)


def work_on(
    plan: Plan,
    screen: Screen,
    logs: str | None = None,
    last: Callable[[Plan, optuna.Study, Console], None] | None = None,
) -> optuna.Study:
    """Trains trials until the study has them, then what comes `last`; reports, also interrupted."""
    try:
        Supervisor(plan, screen.open, screen, logs).run()
        if screen.study is None or not study.ranked(screen.study):
            raise NoTrialError(_why_none(screen.study, Path(plan.directory)))
        if last is not None:
            last(plan, screen.study, screen.console)
        screen.conclude()
    except KeyboardInterrupt:
        screen.console.print("interrupted; the same command goes on from here", style="yellow")
        screen.conclude()
        raise
    except OSError as error:
        raise StudyError(
            f"Can't write to the study: {error.strerror}. Make room; the same command goes on."
        ) from error
    return screen.study


class Screen:
    """Listens to the supervisor: one line a finished trial, with the best and the time left."""

    def __init__(
        self, plan: Plan, console: Console, on_trial: Callable[[Any], None] | None = None
    ) -> None:
        self.plan, self.console, self.on_trial = plan, console, on_trial
        self.study: Any = None
        self.start = time.monotonic()
        self.before = 0

    def open(self, described: dict[str, Any]) -> optuna.Study:
        maximize = [up for _, up in described["objectives"]]
        self.study = study.open_study(self.plan, maximize)
        remember(self.study, self.plan, described)
        again = Heartbeat(self.study).reap(at_once=True)
        study.begin_with_baseline(self.study, described["baseline"], described["named"])
        if self.plan.trials > self.study.user_attrs.get("trials", 0):
            self.study.set_user_attr("trials", self.plan.trials)  # for workers that join
        self.before = study.spent(self.study)
        if self.before < self.plan.trials and study.FINALS in self.study.user_attrs:
            self.study.set_user_attr(study.FINALS, None)  # they are held again with the new trials
        self.start = time.monotonic()
        if self.before or again:
            self.console.print(
                f"resumed: {self.before} of {self.plan.trials} trials are done"
                + (f", {len(again)} that were cut off run again" if again else "")
            )
        return self.study

    def __call__(self, what: str, message: Any) -> None:
        score = report.score_of(self.study)
        if what == "epoch":
            number, epoch, epochs, value = message
            if self.console.is_terminal:
                self.console.print(
                    f"  trial {number}  epoch {epoch}/{epochs}  {score} {value:.4f}", style="dim"
                )
        elif what == "reaped":
            self.console.print(f"trials {message} were left by others and run again")
        else:
            self._trial(self.study.get_trials(deepcopy=False)[message], score)

    def _trial(self, trial: Any, score: str) -> None:
        if self.on_trial is not None:
            self.on_trial(trial)
        spent, total = study.spent(self.study), self.plan.trials
        value = report.shown_values(trial)
        best = study.ranked(self.study)
        line = f"{spent}/{total}  trial {trial.number} {trial.state.name.lower()}  {score} {value}"
        reason = trial.user_attrs.get("reason")
        line += f" ({reason})" if reason else ""
        broken = [name for name, by in trial.constraints.items() if by > 0]
        line += f" (does not hold the guard on {', '.join(broken)})" if broken else ""
        if best:
            line += f"  best {best[0].values[0]:.4f} (trial {best[0].number})"
        done = spent - self.before
        if done > 0:
            left = (time.monotonic() - self.start) / done * max(0, total - spent)
            line += f"  {left / 60:.1f} min left"
        self.console.print(f"{line}\n    {report.loss_text(trial)}", soft_wrap=True)

    def conclude(self) -> None:
        """Writes the report and prints the table, where a trial completed."""
        if self.study is None or not study.ranked(self.study):
            return
        directory = Path(self.plan.directory)
        report.write(self.study, directory, self.plan.recipe)
        table = Table("trial", report.scores_of(self.study), "to baseline")
        table.add_column("losses", overflow="fold")
        for row in report.rows(self.study):
            table.add_row(*row)
        self.console.print(table)
        self.console.print(report.verdict(self.study), soft_wrap=True)
        written = [report.REPORT, report.BEST]
        written += [report.FRONT] if len(self.study.directions) > 1 else []
        self.console.print("  ".join(str(directory / name) for name in written), soft_wrap=True)


def remember(found: optuna.Study, plan: Plan, described: dict[str, Any]) -> None:
    """Keeps in a new study all that a worker elsewhere needs; refuses an old one that differs.

    Raises:
        StudyError: when the recipe or the space was changed since the study began.
    """
    text = find_recipe(plan.recipe).read_text(encoding="utf-8")
    known = found.user_attrs
    if "recipe_text" in known:
        if known["recipe_text"] != text:
            before, now = (
                hashlib.sha256(t.encode()).hexdigest()[:6] for t in (known["recipe_text"], text)
            )
            raise StudyError(
                f"The recipe {plan.recipe} was changed since the study '{found.study_name}' began "
                f"({before}, now {now}): its trials could not be compared. Give --directory for a "
                "new study, or undo the change."
            )
        check_same(found.study_name, known["space"], described["space"])
        return
    # Without the storage, which may hold a password; "auto" is settled, for later trainings too.
    shared = dataclasses.replace(plan, storage=None, precision=described["precision"])
    found.set_user_attr("space", described["space"])
    found.set_user_attr("plan", shared.as_text())
    found.set_user_attr("recipe_name", described["recipe"])
    found.set_user_attr("losses", described["losses"])
    found.set_user_attr("objectives", described["objectives"])
    found.set_user_attr("versions", described["versions"])
    found.set_user_attr("recipe_text", text)  # last: the others are there when it is


def _why_none(found: optuna.Study | None, directory: Path) -> str:
    trials = found.get_trials(deepcopy=False) if found is not None else []
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    if done:
        broken = {name for t in done for name, by in t.constraints.items() if by > 0}
        return (
            f"No trial holds the guards: {len(done)} completed, all against {', '.join(broken)}. "
            "Loosen --guard, or search more trials."
        )
    reasons = [t.user_attrs["reason"] for t in trials if "reason" in t.user_attrs]
    last = f" The last one: {reasons[-1]}." if reasons else ""
    return f"No trial completed.{last} The workers' logs are in {directory}."
