"""Three tasks on one trunk, by every way to share it: the table of docs/balances.md.

    python tools/bench/multi_task.py --seeds 3
    python tools/bench/multi_task.py --seeds 1 --results multi_task.json "PCGrad()" "MGDA()"

Each row is the recipe `multi_task` trained on real digits with one rule, and scored on its test
split, which nothing else looks at. `alone` trains one task at a time, the others at weight 0.
Finished trainings are kept in the file of results; the same command goes on where it stopped, and
prints the table of all that the file has.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import stats

TASKS = {"digit": "accuracy", "thickness": "mae", "angle": "mae"}
BALANCES = (
    "Magnitude()",
    "Uncertainty(learning_rate=0.1)",
    "ImpartialLosses(learning_rate=0.1)",
    "DBMTL()",
    "NashMTL()",
)
SHARE = 0.95  # of the skill alone: within 5 %


def trained(row: str, seed: int) -> dict[str, float]:
    """Test scores of one training, or of one a task for `alone`."""
    from lossforge import spec
    from lossforge.recipe import load_recipe
    from lossforge.training.train import train

    recipe = load_recipe("recipes/multi_task.py")
    data = recipe.data(seed)

    def scores(losses=None, balance=None):
        outcome = train(recipe, losses, seed=seed, data=data, balance=balance)
        return outcome.task.evaluate(data.test)

    if row != "alone":
        return scores(balance=None if row == "equal weights" else row)
    found = {}
    for task in TASKS:
        others = {n: spec.parse(f"0.0*{recipe.losses[n]}") for n in TASKS if n != task}
        of_all = scores(losses=others)
        found |= {name: value for name, value in of_all.items() if name.startswith(f"{task}_")}
    return found


def interval(values: list[float]) -> str:
    """Mean and the half width of its 95 % interval by Student's t."""
    if len(values) < 2:
        return f"{np.mean(values):.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.3f} ± {half:.3f}"


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """In Markdown: skill by task, its ratio to the skill alone on the same seeds, errors."""
    lines = [
        "| rule | digit: accuracy | thickness: mean error, % of width | angle: mean error, degrees "
        "| skill over the skill alone: digit | thickness | angle | all within 5 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    alone = results.get("alone", {})
    for row, by_seed in results.items():
        cells = []
        for task, what in TASKS.items():
            factor = 360.0 if task == "angle" else 1.0  # turns to degrees
            cells.append(interval([factor * s[f"{task}_{what}"] for s in by_seed.values()]))
        seeds = [seed for seed in by_seed if seed in alone]
        ratios = {
            task: [by_seed[s][f"{task}_skill"] / alone[s][f"{task}_skill"] for s in seeds]
            for task in TASKS
        }
        if row != "alone" and seeds:
            cells += [interval(values) for values in ratios.values()]
            cells.append("yes" if min(map(np.mean, ratios.values())) >= SHARE else "no")
        else:
            cells += [""] * 4
        name = row if row in ("alone", "equal weights") else f"`{row}`"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("balances", nargs="*", default=BALANCES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("multi_task.json"))
    arguments = parser.parse_args()
    path = arguments.results
    results = json.loads(path.read_text()) if path.is_file() else {}
    for seed in range(arguments.seeds):
        for row in ("alone", "equal weights", *arguments.balances):
            if str(seed) not in results.setdefault(row, {}):
                results[row][str(seed)] = trained(row, seed)
                path.write_text(json.dumps(results, indent=1))
    print(table({row: by_seed for row, by_seed in results.items() if by_seed}))


if __name__ == "__main__":
    main()
