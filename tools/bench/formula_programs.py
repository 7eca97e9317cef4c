"""The rival of tables: formulas as programs of numbers, run by one interpreter that XLA compiles.

Every formula is a list of (operator, first register, second register), so that one compiled
function trains any population. Under `vmap` a choice between operators computes all of them, for
each of the 15 places of a program, forwards and backwards: that is its price.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from lossforge.expression import Tree
from lossforge.search.symbolic.population import Training

LENGTH = 15
READ = ("y", "p", "1 - p")
UNARY = {
    "neg": lambda a: -a,
    "abs": jnp.abs,
    "square": lambda a: a * a,
    "sqrt": lambda a: jnp.where(a > 1e-12, jnp.sqrt(jnp.where(a > 1e-12, a, 1.0)), 0.0),
    "log": lambda a: jnp.log(jnp.maximum(a, 1e-7)),
    "exp": lambda a: jnp.exp(jnp.minimum(a, 30.0)),
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "aq": lambda a, b: a / jnp.sqrt(1.0 + b * b),
    "min": jnp.minimum,
    "max": jnp.maximum,
}
CODES = {name: code for code, name in enumerate(["number", *UNARY, *BINARY])}


def program_of(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    """(codes and registers (15, 3), numbers (15,)); the last place holds the result."""
    code, numbers = np.zeros((LENGTH, 3), np.int32), np.zeros(LENGTH, np.float32)
    steps: list[tuple[int, int, int, float]] = []

    def put(part: Tree) -> int:
        if isinstance(part, str):
            return READ.index(part)
        if isinstance(part, tuple):
            if part[:2] == ("sub", 1.0) and part[2] == "p":
                return READ.index("1 - p")
            first, *more = (put(argument) for argument in part[1:])
            steps.append((CODES[part[0]], first, more[0] if more else 0, 0.0))
        else:
            steps.append((CODES["number"], 0, 0, part))
        return len(READ) + len(steps) - 1

    last = put(tree)
    if len(steps) > LENGTH - 1:
        raise ValueError("too long")
    steps += [(CODES["min"], last, last, 0.0)] * (LENGTH - len(steps))
    for place, (name, a, b, number) in enumerate(steps):
        code[place], numbers[place] = (name, a, b), number
    return code, numbers


def _value(code, numbers, y, p):
    registers = jnp.concatenate(
        [jnp.stack([y, p, 1.0 - p]), jnp.zeros((LENGTH, *y.shape), y.dtype)]
    )
    for place in range(LENGTH):
        a, b = registers[code[place, 1]], registers[code[place, 2]]
        results = [jnp.full_like(y, numbers[place])]
        results += [operator(a) for operator in UNARY.values()]
        results += [operator(a, b) for operator in BINARY.values()]
        found = jnp.stack(results)[code[place, 0]]
        registers = registers.at[len(READ) + place].set(found)
    return registers[-1]


def train_programs(trees: Sequence[Tree], x, y, seen, training: Training) -> np.ndarray:
    """Outputs (formulas, rows, outputs) after training, as `train_population` gives them."""
    code, numbers = (np.stack(part) for part in zip(*map(program_of, trees), strict=True))
    first = [jnp.asarray(w) for w in training.first_weights(x.shape[1], y.shape[1])]
    return np.asarray(_trained(code, numbers, first, x, y, seen, training.order(len(x))))


@jax.jit
def _trained(code, numbers, first, x, y, seen, order):
    def outputs(w, inputs):
        return jax.nn.relu(inputs @ w[0] + w[1]) @ w[2] + w[3]

    def loss(w, code, numbers, inputs, targets):
        values = _value(code, numbers, targets, jax.nn.softmax(outputs(w, inputs)))
        return values.sum(-1).mean()

    def one(code, numbers):
        def step(state, row):
            w, mean, square, count = state
            slope = jax.grad(loss)(w, code, numbers, x[row], y[row])
            count = count + 1.0
            rate = 0.01 * jnp.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
            mean = jax.tree.map(lambda m, s: m + 0.1 * (s - m), mean, slope)
            square = jax.tree.map(lambda v, s: v + 0.001 * (s * s - v), square, slope)
            w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), w, mean, square)
            return (w, mean, square, count), None

        zero = [jnp.zeros_like(w) for w in first]
        (w, *_), _ = jax.lax.scan(step, (first, zero, zero, 0.0), order)
        return outputs(w, seen)

    return jax.vmap(one)(code, numbers)
