"""The headroom gate: a few named losses on a few seeds, before a search spends its budget."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from rich.console import Console

from lossforge.errors import NoTrialError
from lossforge.run import write_atomically
from lossforge.search.compare import Progress
from lossforge.search.comparison import comparison_of
from lossforge.search.headroom import Headroom, headroom
from lossforge.search.plan import Plan, objectives
from lossforge.search.storage import only_search, open_storage
from lossforge.search.trainings import Setup, Trainings

GATE = "gate.json"
SEEDS = 3


def gate(plan: Plan, console: Console | None = None) -> Headroom:
    """Trains the recipe's own loss and two named ones (three from 24 trials on) on three seeds.

    What is trained is not trained again when the search is resumed. Writes gate.json.

    Raises:
        NoTrialError: when the recipe's own loss, or all others, did not train.
    """
    console = console or Console(highlight=False, stderr=True)
    directory = Path(plan.directory)
    score = objectives(plan.score, "", "maximize")[0].metric if plan.score else None
    setup = Setup(
        recipe=plan.recipe,
        settings=plan.settings,
        directory=plan.directory,
        contenders=((),),
        epochs=plan.epochs,
        precision=plan.precision,
        score=score,
        jobs=plan.jobs,
        named=2 if plan.trials < 24 else 3,
    )
    console.print("gate: a few named losses first, to see whether the loss matters here")
    with only_search(directory):
        open_storage(plan.storage, directory)  # a wrong storage shows before anything is trained
        trainings = Trainings(setup, range(plan.seed, plan.seed + SEEDS))
        trainings.tell = Progress(trainings, console)
        trainings.run()
    described = trainings.described
    found = comparison_of("Gate", described, trainings.results, trainings.seeds, described["score"])
    try:
        verdict = headroom(found)
    except ValueError as error:
        reasons = "; ".join(sorted({reason for _, _, reason in found.reasons}))
        raise NoTrialError(f"{error} Failed: {reasons or 'there is no other loss'}.") from None
    sentence = verdict.sentence(described["score"])
    data = dataclasses.asdict(verdict) | {"sentence": sentence, "comparison": found.as_data()}
    write_atomically(directory / GATE, json.dumps(data, indent=2) + "\n")
    console.print(f"gate: {sentence}", soft_wrap=True)
    return verdict
