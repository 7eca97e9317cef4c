"""Does the search find what is there to find, and what does it cost? Digits, on CPU, in minutes.

    python tools/bench/search.py named         named losses against cross-entropy, 5 seeds
    python tools/bench/search.py gate          what the gate says of each case
    python tools/bench/search.py samplers      TPE against random at equal budget, 5 search seeds
    python tools/bench/search.py found         what a search finds against the best named, 5 seeds
    python tools/bench/search.py overhead      lossforge search against a plain loop over fit

Cases: 40 % wrong labels, a long tail of 60 to 2 examples, and 150 clean ones. The gains stand
beside those known from earlier work on the same digits (MLP, 2 cores): label noise SCE +.085, long
tail logit adjustment +.062, clean nothing. What is trained is kept in the directory: the same
command goes on where it was left, and prints the table again.
"""

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import time
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
            print(f"| {case} | {name} | {d.mean:+.3f} | {interval(d, 3)} | {KNOWN[case]:+.3f} |")


def gates(directory, jobs, quiet):
    for case, (settings, _) in CASES.items():
        plan = Plan(RECIPE, settings, str(directory / f"gate-{case}"), jobs=jobs)
        print(f"{case}: {gate(plan, quiet).sentence('val_balanced_accuracy')}", flush=True)


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
        shown = ", ".join(f"{name} {values[-1]:.4f}" for name, values in best.items())
        print(f"search seed {seed}: {shown}", flush=True)
    d = paired_difference(best["tpe"], best["random"])
    print(f"TPE less random, {trials} trials, 5 search seeds: {d.mean:+.4f} ({interval(d, 4)})")


def found(directory, jobs, quiet, trials=16):
    """The winner of a search against the best named loss, on the test split of fresh seeds."""
    print("| case | found loss | test gain over the named loss | 95 % |\n|---|---|---|---|")
    for case in ("noise", "tail"):
        settings, (rival, _) = CASES[case]
        space = f"search_spaces/{'label_noise' if case == 'noise' else 'long_tail'}.py"
        plan = Plan(
            RECIPE, settings, str(directory / f"found-{case}"), trials=trials, jobs=jobs,
            space=space, finals=3,
        )  # fmt: skip
        best = studies.ranked(run_search(plan, quiet))[0]
        contenders = ((rival,), (best.user_attrs["loss_config"],))
        where = str(directory / f"found-{case}" / "test")
        Path(where).mkdir(exist_ok=True)
        setup = Setup(RECIPE, settings, where, contenders, test=True, jobs=jobs)
        d = compare(setup, range(10_000, 10_005), quiet).difference(1)
        text = best.user_attrs["losses"]["classes"]
        name = rival.partition("(")[0]
        print(f"| {case} | `{text}` | {d.mean:+.3f} over {name} | {interval(d, 3)} |", flush=True)


def overhead(directory, jobs, quiet, trials=6, epochs=60, trial_seconds=30.0):
    """The same trainings by `lossforge search` and by a plain loop in one process.

    By the clock and by processor time, which other work on the machine does not stretch.
    """
    study, times = directory / "overhead", directory / "overhead.json"
    if not times.exists():
        plan = Plan(
            RECIPE, {}, str(study), trials=trials, epochs=epochs, space="named", pruner="none"
        )
        before = clocks()
        losses = run_search(plan, quiet).get_trials()
        between = clocks()
        configs = directory / "configs.json"
        configs.write_text(json.dumps([t.user_attrs["loss_config"] for t in losses]))
        subprocess.run([sys.executable, __file__, "loop", str(configs), str(epochs)], check=True)
        times.write_text(json.dumps([before, between, clocks()]))
    before, between, after = json.loads(times.read_text())
    for index, name in enumerate(("clock", "processor")):
        searched, looped = between[index] - before[index], after[index] - between[index]
        more = (searched - looped) / trials
        print(
            f"{name}: {trials} trials, search {searched:.1f} s, plain loop {looped:.1f} s; "
            f"{more:+.2f} s a trial, {100 * more / trial_seconds:+.1f} % of {trial_seconds:g} s"
        )


def clocks():
    """Seconds of the clock, and of the processor in this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), sum(u.ru_utime + u.ru_stime for u in used)


def loop(configs, epochs):
    """What a user would write: Optuna and fit, in this process."""
    import optuna

    from lossforge.recipe import load_recipe
    from lossforge.search.suggestion import Suggestion
    from lossforge.training.train import train

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recipe, study = load_recipe(RECIPE), optuna.create_study(direction="maximize")
    for config in json.loads(Path(configs).read_text()):
        trial = study.ask()
        study.tell(trial, train(recipe, Suggestion.read(config).losses, epochs=epochs).score)


def interval(difference, digits):
    low, high = dataclasses.astuple(difference)[1:3]
    return f"{low:+.{digits}f} to {high:+.{digits}f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["loop"]:
        loop(sys.argv[2], int(sys.argv[3]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"named": named, "gate": gates, "samplers": samplers}
    parts |= {"found": found, "overhead": overhead}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--directory", type=Path, default=Path("studies/bench"))
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    parts[given.part](given.directory, given.jobs, Console(quiet=True))
