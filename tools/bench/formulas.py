"""The formula search, measured: filters, throughput, and digits with wrong labels.

python tools/bench/formulas.py funnel
python tools/bench/formulas.py throughput
python tools/bench/formulas.py digits noise --keep DIR
python tools/bench/formulas.py digits noisy-validation --seeds 0,1 --keep DIR
python tools/bench/formulas.py digits tail --keep DIR
python tools/bench/formulas.py gate
python tools/bench/formulas.py rival

Each search of `digits` is kept in a file of DIR and not run again; the table is of all that are
there.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # blocks run in threads of their own
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses
import json
import random
import time
from pathlib import Path

import click
import numpy as np

KINDS = ("multiclass", "binary", "multilabel", "mask", "boxes", "embedding")


@click.group()
def command() -> None:
    """Measure the search over formulas."""


@command.command()
@click.option("--trees", default=20_000, show_default=True)
@click.option("--kind", type=click.Choice(KINDS), default="multiclass", show_default=True)
def funnel(trees: int, kind: str) -> None:
    """How many random trees each filter rejects, at what cost, on one core."""
    from lossforge.search.symbolic.filters import Filters
    from lossforge.search.symbolic.grammar import grammar_of
    from lossforge.search.symbolic.named import named_trees
    from lossforge.search.symbolic.slopes import Domain

    rng, grammar = random.Random(0), grammar_of(kind)
    filters = Filters(Domain(kind), grammar, named_trees(kind))
    start = time.process_time()
    left = filters.passed(rng, (grammar.random(rng) for _ in range(trees)))
    seconds = time.process_time() - start
    click.echo(
        f"{kind}: {trees} random trees, {len(left)} left, {1 - len(left) / trees:.1%} rejected, "
        f"{1e3 * seconds / trees:.3f} ms each"
    )
    for name, reached, rejected, spent in filters.table():
        click.echo(f"  {name:12} {reached:7} reached {rejected:7} rejected {spent:7.2f} s")


@command.command()
@click.option("--count", default=512, show_default=True, help="Formulas in the population.")
@click.option("--fits", default=6, show_default=True, help="Formulas trained by fit.")
def throughput(count: int, fits: int) -> None:
    """Formulas a second, 200 steps of 64-32-10 on digits: a population against a loop of fit."""
    import keras
    from sklearn.datasets import load_digits

    from lossforge import Formula
    from lossforge.expression import text
    from lossforge.search.symbolic.named import tuned_trees
    from lossforge.search.symbolic.population import Training, train_population
    from lossforge.search.symbolic.slopes import Domain

    x, ids = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    y = np.eye(10, dtype="float32")[ids]
    trees = tuned_trees("multiclass", random.Random(0), count)
    training = Training()
    start = time.monotonic()
    train_population(trees, Domain("multiclass"), x[:1200], y[:1200], [x[1200:]], training)
    population = count / (time.monotonic() - start)
    order = training.order(1200).ravel()
    start = time.monotonic()
    for tree in trees[-fits:]:
        layers = [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)]
        network = keras.Sequential(layers)
        loss = Formula(text(tree), task="multiclass", from_logits=True)
        network.compile(keras.optimizers.Adam(training.learning_rate), loss)
        network.fit(x[order], ids[order], batch_size=32, shuffle=False, verbose=0)
        network.predict(x[1200:], verbose=0, batch_size=600)
        keras.backend.clear_session()
    fitted = fits / (time.monotonic() - start)
    click.echo(
        f"population {population:.1f}/s, fit {fitted:.2f}/s, ratio {population / fitted:.0f}"
    )


@command.command()
@click.option("--count", default=64, show_default=True, help="Formulas in a population.")
def rival(count: int) -> None:
    """Tables against an interpreter compiled by XLA: 200 steps of 64-32-10 on digits."""
    from formula_programs import train_programs
    from sklearn.datasets import load_digits

    from lossforge.search.symbolic.filters import Filters
    from lossforge.search.symbolic.grammar import grammar_of
    from lossforge.search.symbolic.population import Training, train_population
    from lossforge.search.symbolic.slopes import Domain

    x, ids = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), np.eye(10, dtype="float32")[ids]
    rng, grammar = random.Random(0), grammar_of("multiclass")
    filters, trees = Filters(Domain("multiclass"), grammar, {}), []
    while len(trees) < 2 * count:
        trees += [c.tree for c in filters.passed(rng, [grammar.random(rng) for _ in range(500)])]
    data = x[:1200], y[:1200]
    seconds: dict[str, list[float]] = {"tables": [], "programs": []}
    for block in (trees[:count], trees[count : 2 * count]):  # programs are compiled with the first
        for name, times in seconds.items():
            start = time.monotonic()
            if name == "tables":
                ours = train_population(block, Domain("multiclass"), *data, [x[1200:]], Training())
            else:
                theirs = train_programs(block, *data, x[1200:], Training())
            times.append(time.monotonic() - start)
    alike = (ours[0].argmax(-1) == theirs.argmax(-1)).mean()
    for name, times in seconds.items():
        click.echo(
            f"{name:9} {count / times[1]:6.1f} formulas a second, first block in {times[0]:.1f} s"
        )
    ratio = seconds["programs"][1] / seconds["tables"][1]
    click.echo(f"tables are {ratio:.1f} times as fast; {alike:.1%} of their answers are the same")


VARIANTS = {
    "noise": {"noise": 0.4},
    "noisy-validation": {"noise": 0.4, "noisy_validation": True},
    "tail": {"tail": 30.0},
}
METHODS = ("evolution", "random", "named")


@command.command()
@click.argument("variant", type=click.Choice(list(VARIANTS)))
@click.option("--seeds", default="0,1,2,3,4", show_default=True, help="A search each, own data.")
@click.option("--trainings", default=600, show_default=True, help="Of the first rung, a method.")
@click.option("--fresh", default=6, show_default=True, help="Fresh data and weights a winner.")
@click.option("--keep", type=click.Path(path_type=Path), help="Directory of what was found.")
def digits(variant: str, seeds: str, trainings: int, fresh: int, keep: Path | None) -> None:
    """Wrong labels or a long tail: evolution, chance and tuned named losses at an equal budget."""
    for seed in map(int, seeds.split(",")):
        path = keep and keep / f"{variant}-{seed}.json"
        if path and path.is_file():
            continue
        found = _searches(variant, seed, trainings, fresh)
        if path is None:
            RESULTS.append(found)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=1))
    kept = (
        [json.loads(p.read_text()) for p in sorted(keep.glob(f"{variant}-?.json"))] if keep else []
    )
    _print_table(variant, [*kept, *RESULTS])


RESULTS: list[dict] = []


def _searches(variant: str, seed: int, trainings: int, fresh: int) -> dict:
    """What each method found on one draw of the data, and its scores on fresh draws and test."""
    from lossforge.search.symbolic.formula_search import search_formulas
    from lossforge.search.symbolic.named import named_trees

    proxy, _ = _digits(seed, **VARIANTS[variant])
    seeds = [1000 + 100 * seed + i for i in range(fresh)]
    cross_entropy = named_trees("multiclass")["CrossEntropy"]
    found = {"seed": seed, "cross-entropy": {"test": _tested(cross_entropy, seeds, variant)}}
    if proxy.domain.prior:
        found["logit adjustment"] = {"test": _tested(cross_entropy, seeds, variant, adjusted=True)}
    for method in METHODS:
        one = search_formulas(proxy, method, trainings, seed=seed)
        test = _tested(one.best.tree, seeds, variant)
        found[method] = {
            "formula": one.best.text, "validation": one.best.score, "networks": one.trained,
            "seconds": round(one.seconds, 1), "test": test,
        }  # fmt: skip
        click.echo(
            f"seed {seed} {method:9} {one.trained} networks {one.seconds:5.1f} s  validation "
            f"{one.best.score:.3f}  test {np.mean(test):.3f}  {one.best.text}"
        )
    return found


def _print_table(variant: str, searches: list[dict]) -> None:
    base = np.mean([s["cross-entropy"]["test"] for s in searches])
    click.echo(f"{variant}: {len(searches)} searches; cross-entropy on test {base:.3f}")
    others = [name for name in ("logit adjustment",) if name in searches[0]]
    pairs = [(m, "cross-entropy") for m in (*METHODS, *others)]
    pairs += [("evolution", "named"), ("random", "named"), ("evolution", "random")]
    pairs += [("evolution", name) for name in others]
    for one, other in pairs:
        gaps = [np.subtract(s[one]["test"], s[other]["test"]) for s in searches]
        click.echo(f"  {one} over {other}: {_interval([g.mean() for g in gaps])}")
        if other != "cross-entropy":
            ends = [_ends(g) for g in gaps]
            worse, better = sum(high < 0 for _, high in ends), sum(low > 0 for low, _ in ends)
            click.echo(f"    beyond noise: better in {better}, worse in {worse} searches")


@command.command()
@click.option("--examples", default=150, show_default=True)
def gate(examples: int) -> None:
    """Clean digits: what the gate of a search says."""
    import tempfile

    from lossforge.search.gate import gate as headroom_gate
    from lossforge.search.plan import Plan

    with tempfile.TemporaryDirectory() as directory:
        plan = Plan("recipes/digits.py", {"examples": examples}, directory, trials=24, jobs=2)
        click.echo(headroom_gate(plan))


def _digits(seed: int, noise: float = 0.0, noisy_validation: bool = False, tail: float = 1.0):
    """(proxy, test inputs and targets) of `recipes/digits.py`'s data."""
    from lossforge.data.digits import load_digit_data
    from lossforge.search.symbolic.formula_search import Proxy
    from lossforge.search.symbolic.population import Training
    from lossforge.search.symbolic.slopes import Domain

    data = load_digit_data(
        seed, examples=600, noise=noise, noisy_validation=noisy_validation, tail=tail
    )

    def arrays(dataset):
        x, ids = (np.concatenate(part) for part in zip(*dataset.as_numpy_iterator(), strict=True))
        return x, np.eye(10, dtype="float32")[ids]

    training = Training(steps=480, batch=50)
    prior = tuple(float(c) for c in np.array(data.class_counts) / sum(data.class_counts))
    domain = Domain("multiclass", prior if tail > 1 else None)
    proxy = Proxy(domain, *arrays(data.train), *arrays(data.validation), training)
    return proxy, arrays(data.test)


def _tested(tree, seeds, variant: str, adjusted: bool = False) -> list[float]:
    """Test scores of a formula over fresh draws of the data, of wrong labels, of weights.

    adjusted: logits less t times the log of the class's share, t chosen on validation (Menon et
    al. 2021, Long-tail learning via logit adjustment, section 4.1).
    """
    from lossforge.search.symbolic.formula_search import score_of
    from lossforge.search.symbolic.population import train_population

    scores = []
    for seed in seeds:
        proxy, (x, y) = _digits(seed, **VARIANTS[variant])
        training = dataclasses.replace(proxy.training, seed=seed)
        inputs = [proxy.x_seen, x]
        seen, test = train_population([tree], proxy.domain, proxy.x, proxy.y, inputs, training)
        shift = np.zeros(1)
        if adjusted:
            shifts = [t * np.log(proxy.domain.prior) for t in np.linspace(0.0, 2.0, 21)]
            shift = max(shifts, key=lambda s: score_of(proxy.domain, seen - s, proxy.y_seen)[0])
        scores.append(float(score_of(proxy.domain, test - shift, y)[0]))
    return scores


def _ends(values) -> tuple[float, float]:
    """95 % interval of the mean by Student's t."""
    from scipy.stats import t

    values = np.asarray(values)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def _interval(values) -> str:
    if len(values) < 2:
        return f"{np.mean(values):+.3f}"
    low, high = _ends(values)
    return f"{np.mean(values):+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    command()
