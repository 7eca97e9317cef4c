"""A formula's Python text stands alone and equals it, in value and slope."""

import random

import numpy as np
import pytest

from lossforge import Formula
from lossforge.expression import text
from lossforge.losses.formula import SAFE
from lossforge.losses.formula_source import WRITTEN, keras_source
from lossforge.search.symbolic.grammar import grammar_of
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(0.0, 5.0, (24, 4)).astype("float32")
IDS = RNG.integers(0, 4, 24)
BITS = RNG.integers(0, 2, (24, 4)).astype("float32")
LOWS = RNG.uniform(0.0, 0.5, (2, 24, 2))
BOXES = np.concatenate([LOWS, LOWS + RNG.uniform(0.1, 0.5, (2, 24, 2))], -1).astype("float32")
DATA = {
    "multiclass": (IDS, LOGITS),
    "class_mask": (IDS.reshape(2, 3, 4), LOGITS.reshape(2, 3, 4, 4)),
    "multilabel": (BITS, LOGITS),
    "mask": (BITS.reshape(2, 3, 4, 4), LOGITS.reshape(2, 3, 4, 4)),
    "binary": (BITS[:, :1], LOGITS[:, :1]),
    "regression": (BITS, LOGITS / 5),
    "image": (BITS.reshape(2, 3, 4, 4), LOGITS.reshape(2, 3, 4, 4) / 5),
    "boxes": tuple(BOXES),
    "embedding": (IDS, LOGITS),
}


def check_equal(formula, y_true, y_pred):
    source = keras_source(formula, "Found")
    assert "lossforge" not in source
    names = {}
    exec(compile(source, "found.py", "exec"), names)  # noqa: S102  what a user does with the text
    alone = names["Found"]()
    for of in (values_of, gradient_of):
        expected = of(formula, y_true, y_pred)
        np.testing.assert_allclose(
            of(alone, y_true, y_pred), expected, rtol=2e-4,
            atol=2e-5 * max(1.0, np.abs(expected).max()), err_msg=source,
        )  # fmt: skip


@pytest.mark.parametrize("variant", Formula.variants, ids=lambda v: str(v.get("task")))
def test_the_text_equals_the_formula(variant):
    formula = Formula(**variant)
    y_true, y_pred = DATA[formula.task or "multiclass"]
    if formula.prior:
        y_pred = RNG.normal(0.0, 5.0, (24, len(formula.prior))).astype("float32")
    if formula.plain_task in ("binary", "multilabel", "multiclass") and not formula.from_logits:
        y_pred = 1.0 / (1.0 + np.exp(-y_pred))
    check_equal(formula, y_true, y_pred)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "boxes", "embedding"])
def test_the_text_equals_random_formulas(kind):
    rng, grammar = random.Random(4), grammar_of(kind)
    done = 0
    while done < 6:
        tree = grammar.repaired(rng, grammar.random(rng))
        if tree is None:
            continue
        done += 1
        logits = {"from_logits": True} if kind.startswith("multi") else {}
        check_equal(Formula(text(tree), task=kind, **logits), *DATA[kind])


def test_priors_and_extreme_logits():
    formula = Formula(
        "-y*(1 - p)**g*log(p)*prior", g=0.5, prior=[0.1, 0.2, 0.3, 0.4], from_logits=True
    )
    check_equal(formula, IDS, 40.0 * LOGITS)


def test_every_operator_can_be_written():
    assert set(WRITTEN) == set(SAFE)


def test_a_name_that_python_does_not_take_is_refused():
    with pytest.raises(ValueError, match="no name for a class"):
        keras_source(Formula("y*p"), "import os")
