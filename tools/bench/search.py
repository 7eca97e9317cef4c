"""Does the search find what is there to find? Digits with wrong labels, a long tail, and clean.

    python tools/bench/search.py named         named losses against cross-entropy, 5 seeds
    python tools/bench/search.py gate          what the gate says of each
    python tools/bench/search.py samplers      TPE against random at equal budget, 5 search seeds

Prints the gains beside those known from earlier work on the same digits (MLP, 2 cores): label
noise SCE +.085, long tail logit adjustment +.062, clean nothing. Directories are kept: it goes on
where it was left.
"""

import argparse
from pathlib import Path

from rich.console import Console

from lossforge.search import study as studies
from lossforge.search.compare import compare
from lossforge.search.gate import gate
from lossforge.search.paired import paired_difference
from lossforge.search.plan import Plan
from lossforge.search.run_search import run_search
from lossforge.search.trainings import Setup

RECIPE = "recipes/digits.py"
COUNTS = (60, 41, 28, 19, 13, 9, 6, 4, 3, 2)
CASES = {
    "noise": ({"noise": 0.4}, ["SymmetricCrossEntropy()", "GeneralisedCrossEntropy()"]),
    "tail": ({"tail": 30.0}, [f"LogitAdjusted({COUNTS})", f"ClassBalanced({COUNTS})"]),
    "clean": ({"examples": 150}, ["SymmetricCrossEntropy()", "Focal()"]),
}
KNOWN = {"noise": 0.085, "tail": 0.062, "clean": 0.0}


def named(directory, jobs, quiet):
    print("| case | loss | test gain over cross-entropy | 95 % | known |\n|---|---|---|---|---|")
    for case, (settings, losses) in CASES.items():
        contenders = (("CrossEntropy()",), *((loss,) for loss in losses))
        setup = Setup(
            RECIPE, settings, str(directory / f"named-{case}"), contenders, test=True, jobs=jobs
        )
        found = compare(setup, range(5), quiet)
        for index, loss in enumerate(losses, 1):
            d = found.difference(index)
            name = loss.partition("(")[0]
            interval = f"{d.low:+.3f} to {d.high:+.3f}"
            print(f"| {case} | {name} | {d.mean:+.3f} | {interval} | {KNOWN[case]:+.3f} |")


def gates(directory, jobs, quiet):
    for case, (settings, _) in CASES.items():
        plan = Plan(RECIPE, settings, str(directory / f"gate-{case}"), jobs=jobs)
        print(f"{case}: {gate(plan, quiet).sentence('val_balanced_accuracy')}")


def samplers(directory, jobs, quiet, trials=16):
    """The best validation score of each sampler with the same trials, search by search."""
    settings, _ = CASES["noise"]
    best = {"tpe": [], "random": []}
    for seed in range(5):
        for sampler, values in best.items():
            path = str(directory / f"{sampler}-{seed}")
            plan = Plan(
                RECIPE, settings, path, trials=trials, jobs=jobs, seed=seed, sampler=sampler
            )
            values.append(studies.ranked(run_search(plan, quiet))[0].value)
    d = paired_difference(best["tpe"], best["random"])
    interval = f"{d.low:+.4f} to {d.high:+.4f}"
    print(f"TPE less random, {trials} trials, 5 search seeds: {d.mean:+.4f} ({interval})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"named": named, "gate": gates, "samplers": samplers}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--directory", type=Path, default=Path("studies/bench"))
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    parts[given.part](given.directory, given.jobs, Console(quiet=True))
