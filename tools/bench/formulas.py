"""The formula search, measured: filters, throughput, and digits with wrong labels.

python tools/bench/formulas.py funnel
python tools/bench/formulas.py throughput
python tools/bench/formulas.py noise --seeds 5
python tools/bench/formulas.py noise --noisy-validation
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # blocks run in threads of their own
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import random
import time

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
@click.option("--seeds", default=5, show_default=True, help="Searches, each on data of its own.")
@click.option("--trainings", default=600, show_default=True, help="Of the first rung, a method.")
@click.option("--noise", default=0.4, show_default=True)
@click.option("--noisy-validation", is_flag=True)
@click.option("--tail", default=1.0, show_default=True)
@click.option("--fresh", default=6, show_default=True, help="Fresh data and weights a winner.")
def noise(seeds, trainings, noise, noisy_validation, tail, fresh) -> None:
    """Digits with wrong labels: evolution, chance and tuned named losses at an equal budget."""
    from lossforge.search.symbolic.formula_search import search_formulas

    gains: dict[str, list[float]] = {"evolution": [], "random": [], "named": []}
    base = []
    for seed in range(seeds):
        proxy, _ = _digits(seed, noise, noisy_validation, tail)
        fresh_seeds = [1000 + 100 * seed + i for i in range(fresh)]
        reference = _tested([_cross_entropy()], fresh_seeds, noise, tail)[0]
        base.append(reference)
        for method, found_gains in gains.items():
            found = search_formulas(proxy, method, trainings, seed=seed)
            test = _tested([found.best.tree], fresh_seeds, noise, tail)[0]
            found_gains.append(test - reference)
            click.echo(
                f"seed {seed} {method:9} {found.trained} networks {found.seconds:5.1f} s  "
                f"validation {found.best.score:.3f}  test {test:.3f} "
                f"({test - reference:+.3f} over cross-entropy)  {found.best.text}"
            )
    click.echo(f"cross-entropy on test: {np.mean(base):.3f}")
    for method, values in gains.items():
        click.echo(f"{method:9} over cross-entropy  {_interval(values)}")
    for one, other in (("evolution", "named"), ("random", "named"), ("evolution", "random")):
        difference = np.subtract(gains[one], gains[other])
        click.echo(f"{one} over {other}  {_interval(difference)}")


def _digits(seed: int, noise: float, noisy_validation: bool, tail: float):
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


def _tested(trees, seeds, noise: float, tail: float) -> np.ndarray:
    """Mean test score of each formula over fresh draws of the data, of wrong labels, of weights."""
    import dataclasses

    from lossforge.search.symbolic.formula_search import score_of
    from lossforge.search.symbolic.population import train_population

    scores = []
    for seed in seeds:
        proxy, (x, y) = _digits(seed, noise, False, tail)
        training = dataclasses.replace(proxy.training, seed=seed)
        outputs = train_population(trees, proxy.domain, proxy.x, proxy.y, [x], training)[0]
        scores.append(score_of(proxy.domain, outputs, y))
    return np.mean(scores, axis=0)


def _cross_entropy():
    from lossforge.search.symbolic.named import named_trees

    return named_trees("multiclass")["CrossEntropy"]


def _interval(values) -> str:
    """Mean and 95 % interval by Student's t."""
    from scipy.stats import t

    values = np.asarray(values)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} [{values.mean() - half:+.3f}, {values.mean() + half:+.3f}]"


if __name__ == "__main__":
    command()
