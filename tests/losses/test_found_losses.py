"""Losses that searches found: each is the formula of its paper, and has a card."""

import numpy as np
import pytest

import lossforge
from lossforge import Formula, spec
from lossforge.loss_card import card
from lossforge.testing import gradient_of, values_of

RNG = np.random.default_rng(5)
LOGITS, IDS = RNG.normal(0.0, 2.0, (30, 5)), RNG.integers(0, 5, 30)
BITS = RNG.integers(0, 2, (30, 5))
LOWS = RNG.uniform(0.0, 0.5, (2, 30, 2))
BOXES = np.concatenate([LOWS, LOWS + RNG.uniform(0.1, 0.5, (2, 30, 2))], axis=-1)
EXCLUSIVE = {"task": "multiclass", "from_logits": True}
SEVERAL = {"task": "multilabel", "from_logits": True}
DATA = {"multiclass": (IDS, LOGITS), "multilabel": (BITS, LOGITS), "boxes": tuple(BOXES)}

FORMULAS = {
    "Baikal(from_logits=True)": Formula("(y/p - log(p))/n", n=5, **EXCLUSIVE),
    "NGL(from_logits=True)": Formula(
        "(exp(2.4092 - p - p*y) - cos(cos(sin(p))))/n", n=5, **EXCLUSIVE
    ),
    "SearchSoftmax(a=-3.0, from_logits=True)": Formula(
        "-y*log(p/(a*p + 1 - a))", a=-3.0, **EXCLUSIVE
    ),
    "SparseLSR(label_smoothing=0.25, from_logits=True)": Formula(
        "-y*((1 - s + s/n)*log(p) + s*(n - 1)/n*log((1 - p)/(n - 1)))", n=5, s=0.25, **EXCLUSIVE
    ),
    "Poly1(epsilon=2.0, from_logits=True)": Formula("y*(e*(1 - p) - log(p))", e=2.0, **EXCLUSIVE),
    "InverseRoot(from_logits=True)": Formula("1/sqrt(1 + (1 + y - p/sqrt(2))**2)", **EXCLUSIVE),
    "AutoLossGen(form='ratio', from_logits=True)": Formula(
        "max((y + s)/(p + s), (p + s)/(y + s))", s=0.1, **SEVERAL
    ),
    "AutoLossGen(form='product', from_logits=True)": Formula(
        "(y + p + s)/(s + y*p)", s=0.1, **SEVERAL
    ),
    "AutoBox(found='A')": Formula("2 - iou - ioe", task="boxes"),
    "AutoBox(found='B')": Formula("-3/(3 - ioe - uoe)", task="boxes"),
}


@pytest.mark.parametrize("loss", FORMULAS)
def test_it_is_the_formula_of_its_paper_in_value_and_slope(loss):
    formula = FORMULAS[loss]
    y_true, y_pred = DATA[formula.task]
    for of in (values_of, gradient_of):
        np.testing.assert_allclose(
            of(spec.parse(loss), y_true, y_pred), of(formula, y_true, y_pred), rtol=2e-5, atol=2e-5
        )


def test_lrml_is_the_formula_of_its_paper():
    """(1 - sigmoid(r)) (-log sigmoid(b r)) + sigmoid(r) exp(-b r), Lu et al. 2024."""
    r, b = np.linspace(-20.0, 20.0, 41), 0.05
    formula = Formula(
        "(1 - sigmoid(r))*(-log(sigmoid(b*r))) + sigmoid(r)*exp(-b*r)", b=b, task="regression"
    )
    expected = -np.log(1 / (1 + np.exp(-b * r))) / (1 + np.exp(r)) + np.exp(-b * r) / (
        1 + np.exp(-r)
    )
    found = values_of(formula, r[:, None], np.zeros((41, 1)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


SHIPPED = (
    "Baikal()", "NGL()", "SearchSoftmax()", "SparseLSR()", "Poly1()", "InverseRoot()",
    "AutoLossGen()", "AutoBox()", "AutoBox(found='B')", "AutoSeg()", "CSEClassificationA()",
    "CSEClassificationB()",
)  # fmt: skip


@pytest.mark.parametrize("loss", SHIPPED)
def test_each_has_a_card_and_a_source(loss):
    parsed = spec.parse(loss)
    measured = card(parsed)
    assert measured.facts and measured.loss.startswith(type(parsed).__name__)
    assert "20" in type(parsed).source and "Source:" in type(parsed).__doc__
    assert type(parsed) is getattr(lossforge, type(parsed).__name__)
