"""Trees of formulas: printed text reads back, LaTeX and sizes say what a formula is."""

import random

import pytest

from lossforge import expression
from lossforge.expression import OPERATORS, latex, read, size, text


def random_tree(rng, depth):
    """Any tree in normal form: no operator over numbers alone, no negated number."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(["y", "p", "x", round(rng.uniform(-9, 9), 3), 10.0 ** rng.randint(-9, 9)])
    name = rng.choice(sorted(OPERATORS))
    count = OPERATORS[name].arguments or rng.randint(2, 3)
    arguments = [random_tree(rng, depth - 1) for _ in range(count)]
    if all(isinstance(a, float) for a in arguments):
        arguments[-1] = "p"
    if name == "pow" and isinstance(arguments[0], float):
        arguments[0] = abs(arguments[0]) + 0.5
    if name == "div" and arguments[1] == 0.0:
        arguments[1] = 2.0
    return (name, *arguments)


def round_trips(count, seed):
    rng = random.Random(seed)
    done = 0
    while done < count:
        tree = random_tree(rng, rng.randint(1, 5))
        shown = text(tree)
        if len(shown) > expression.LONGEST or not {"p", "x"} & expression.variables_of(tree):
            continue
        assert read(shown, {}, ("y", "p", "x")) == tree, shown
        assert text(read(shown, {}, ("y", "p", "x"))) == shown
        done += 1


def test_printed_trees_read_back_the_same():
    round_trips(3_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_printed_trees_read_back_the_same():
    round_trips(100_000, seed=1)


@pytest.mark.parametrize(
    ("formula", "shown", "typeset"),
    [
        ("y*(1-p)", "y*(1.0 - p)", r"y \cdot \left(1 - p\right)"),
        ("-(p**2)", "-p**2.0", "-{p}^{2}"),
        ("(-p)**2", "(-p)**2.0", r"{\left(-p\right)}^{2}"),
        ("y-(p-x)", "y - (p - x)", r"y - \left(p - x\right)"),
        ("y/(p/x)", "y/(p/x)", r"\frac{y}{\frac{p}{x}}"),
        ("+p - -2", "p - -2.0", r"p - \left(-2\right)"),
        ("aq(y, p)", "aq(y, p)", r"\frac{y}{\sqrt{1 + \left(p\right)^{2}}}"),
        ("max(p, y, 3/2)", "max(p, y, 1.5)", r"\max\left(p, y, 1.5\right)"),
    ],
)
def test_text_and_latex_have_the_parentheses_that_they_need(formula, shown, typeset):
    tree = read(formula, {}, ("y", "p", "x"))
    assert text(tree) == shown
    assert latex(tree) == typeset


def test_size_counts_numbers_names_and_operators():
    assert size(read("-y*log(p) + 1", {}, ("y", "p"))) == 7
