"""Is what a search found really better? Fresh seeds, the test split, and rivals with a chance.

the recipe's own loss        the best loss of the study
tuned named losses           the best of a search of the same budget with one plain loss a slot
random                       the best of a random search of the same budget and space
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from lossforge.errors import NoTrialError, StudyError
from lossforge.recipe import find_recipe
from lossforge.run import write_atomically
from lossforge.search import study as studies
from lossforge.search.compare import Progress, score_name, show
from lossforge.search.comparison import Comparison, comparison_of, label_of
from lossforge.search.plan import Plan
from lossforge.search.run_search import run_search
from lossforge.search.storage import only_search
from lossforge.search.trainings import Setup, Trainings

PROOF, RAW, PICTURE = "confirm.md", "confirm.json", "confirm.png"
FRESH = 10_000  # seeds of confirmations start here: no search uses them
OWN, FOUND, TUNED, RANDOM = "the recipe's own loss", "found", "tuned named", "random"


@dataclasses.dataclass(frozen=True)
class Confirmation:
    """What the proof says.

    Args:
        comparison: of the contenders on the test split; the recipe's own loss first.
        winner: index of the found loss in it.
        texts: of the contenders' losses.
        optimism: selection score of the found loss less its validation score on fresh seeds.
        before: date of an earlier confirmation on the same test split, or None.
        fingerprint: of the test split.
    """

    comparison: Comparison
    winner: int
    texts: list[str]
    optimism: float | None
    before: str | None
    fingerprint: str

    def sentences(self) -> list[str]:
        """What is proven, plainly; the first against the recipe's own loss."""
        found = self.comparison
        if self.winner == 0:
            lines = [
                "The recipe's own loss is the best of the study: nothing was found to confirm."
            ]
        else:
            lines = [f"The found loss is {found.sentence(self.winner, to=0)}."]
        for index in range(len(found.labels)):
            if index not in (0, self.winner):
                lines.append(f"The found loss is {found.sentence(self.winner, to=index)}.")
        if self.optimism is not None:
            lines.append(_flattery(self.optimism))
        if self.before:
            lines.append(
                f"This test split ({self.fingerprint}) was scored for this study before, on "
                f"{self.before}: what was chosen after seeing that is no longer a fair test."
            )
        return lines

    def markdown(self) -> str:
        names = zip(self.comparison.labels, self.texts, strict=True)
        lines = ["# Confirmation", "", *(f"{line}\n" for line in self.sentences())]
        lines += ["| contender | losses |", "|---|---|", *(f"| {n} | `{t}` |" for n, t in names)]
        lines += ["", f"Test split {self.fingerprint}, fresh seeds.", ""]
        return "\n".join(lines) + "\n" + self.comparison.markdown().replace("# ", "## ", 1)

    def as_data(self) -> dict[str, Any]:
        data = self.comparison.as_data()
        for entry, text in zip(data["losses"], self.texts, strict=True):
            entry["contender"], entry["loss"] = entry["loss"], text
        return data | {
            "sentences": self.sentences(),
            "optimism": self.optimism,
            "test_split": self.fingerprint,
            "scored_before": self.before,
        }


def confirm(
    directory: Path,
    seeds: int = 5,
    jobs: int = 1,
    storage: str | None = None,
    rivals: bool = True,
    console: Console | None = None,
) -> Confirmation:
    """Retrains what a study found, and its rivals, on fresh seeds, and scores the test split.

    Args:
        directory: of the study.
        seeds: trainings of each contender.
        jobs: trainings at the same time.
        storage: of the study, where it is no journal.
        rivals: whether the searches of equal budget are run: tuned named losses, and random.
        console: where progress goes; by default stderr.

    Raises:
        StudyError: for no such study, or a recipe that was changed since.
        NoTrialError: when nothing completed.
    """
    console = console or Console(highlight=False, stderr=True)
    study = studies.load_study(directory.name, storage, directory)
    plan = plan_of(study, directory, storage, jobs)
    if not studies.ranked(study):
        raise NoTrialError(f"No trial of {directory} completed: there is nothing to confirm.")
    best = studies.ranked(study)[0]
    contenders: dict[str, str] = {FOUND: best.user_attrs["loss_config"]}
    if rivals:
        for name, changes in ((TUNED, {"space": "named"}), (RANDOM, {"sampler": "random"})):
            console.print(f"{name}: a search of equal budget, {plan.trials} trials")
            rival = _rival(plan, study, directory / name.replace(" ", "_"), changes, console)
            contenders[name] = studies.ranked(rival)[0].user_attrs["loss_config"]
    if studies.is_baseline(best):
        del contenders[FOUND]
    trainings = _train(plan, directory, contenders, seeds, console)
    before = _note(study, trainings)
    found = _confirmation(trainings, [OWN, *contenders], best, before)
    write_atomically(directory / PROOF, found.markdown())
    write_atomically(directory / RAW, json.dumps(found.as_data(), indent=2) + "\n")
    found.comparison.draw(directory / PICTURE)
    show(found.comparison, console)
    for line in found.sentences():
        console.print(line, soft_wrap=True)
    console.print(f"{directory / PROOF}  {directory / PICTURE}", soft_wrap=True)
    return found


def plan_of(study: optuna.Study, directory: Path, storage: str | None, jobs: int) -> Plan:
    """The plan that the study was begun with, for this machine.

    Raises:
        StudyError: for a study of another tool, or a recipe that was changed since.
    """
    if "plan" not in study.user_attrs:
        raise StudyError(f"'{directory}' is no study of lossforge: it has no plan.")
    plan = Plan.from_text(study.user_attrs["plan"])
    text = study.user_attrs["recipe_text"]
    kept = directory / "recipe.py"
    if not Path(plan.recipe).is_file() and "recipes/" not in plan.recipe:
        write_atomically(kept, text)
        plan = dataclasses.replace(plan, recipe=str(kept))
    elif find_recipe(plan.recipe).read_text(encoding="utf-8") != text:
        raise StudyError(
            f"The recipe {plan.recipe} was changed since the study '{study.study_name}' began: its "
            "trials say nothing about it. Undo the change, or search anew."
        )
    trials = max(plan.trials, studies.spent(study))
    return dataclasses.replace(
        plan, directory=str(directory), storage=storage, jobs=jobs, trials=trials, minutes=None
    )


def _rival(
    plan: Plan, study: optuna.Study, directory: Path, changes: dict[str, Any], console: Console
) -> optuna.Study:
    changed = dataclasses.replace(
        plan, directory=str(directory), storage=None, trials=studies.spent(study), **changes
    )
    return run_search(changed, console)


def _train(
    plan: Plan, directory: Path, contenders: dict[str, str], seeds: int, console: Console
) -> Trainings:
    setup = Setup(
        recipe=plan.recipe,
        settings=plan.settings,
        directory=str(directory),
        contenders=((), *((config,) for config in contenders.values())),
        epochs=plan.epochs,
        precision=plan.precision,
        score=plan.score.split(",")[0].split(":")[0] if plan.score else None,
        test=True,
        jobs=plan.jobs,
    )
    console.print(f"{1 + len(contenders)} losses on {seeds} fresh seeds, then the test split")
    with only_search(directory):
        trainings = Trainings(setup, range(FRESH, FRESH + seeds))
        trainings.tell = Progress(trainings, console)
        trainings.run()
    return trainings


def _note(study: optuna.Study, trainings: Trainings) -> str | None:
    """Remembers that this test split was scored; the date of the first time, if this is not it."""
    name = f"test_scored/{trainings.described['test']}"
    before = study.user_attrs.get(name)
    if before is None:
        now = datetime.datetime.now(datetime.timezone.utc)
        study.set_user_attr(name, now.strftime("%Y-%m-%d %H:%M UTC"))
    return before


def _confirmation(
    trainings: Trainings, labels: list[str], best: Any, before: str | None
) -> Confirmation:
    described, score = trainings.described, score_name(trainings)
    found = comparison_of(
        "Contenders", described, trainings.results, trainings.seeds, score, labels
    )
    winner = labels.index(FOUND) if FOUND in labels else 0
    fresh = found.mean(winner, described["score"]) if described["score"] in found.values else None
    sign = 1 if found.maximize else -1
    optimism = None if fresh is None else sign * (best.values[0] - fresh)
    texts = [label_of(losses) for losses in described["losses"]]
    return Confirmation(found, winner, texts, optimism, before, described["test"])


def _flattery(optimism: float) -> str:
    """
    >>> _flattery(-0.043)
    "The search's own score was 0.0430 worse than that of fresh seeds: it did not flatter."
    """
    if optimism <= 0:
        return (
            f"The search's own score was {-optimism:.4f} worse than that of fresh seeds: it did "
            "not flatter."
        )
    return (
        f"The search's own score was {optimism:.4f} better than that of fresh seeds: that much is "
        "the choice's flattery and the seed's luck."
    )
