"""Training many small networks at once, each with a loss of its own.

All networks see the same batches from the same start, so that only the loss differs. Weights lie
side by side: the first layer of a block of networks is one matrix product, and Adam walks over one
array. Blocks are small enough for the processor's cache, and run in threads.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from lossforge.expression import Tree
from lossforge.search.symbolic.output_slopes import exact_slopes_of, slopes_of
from lossforge.search.symbolic.slopes import Domain

BLOCK = 32


@dataclasses.dataclass(frozen=True)
class Training:
    """How each network is trained.

    Args:
        units: of the hidden layer.
        steps: batches.
        batch: examples in a batch.
        learning_rate: of Adam, which makes the scale of a loss irrelevant.
        seed: of the first weights and of the order of examples.
        whole_batches: whether examples lie in batches that stay together, in an order that
            changes: for losses that compare the examples of a batch.
    """

    units: int = 32
    steps: int = 200
    batch: int = 32
    learning_rate: float = 0.01
    seed: int = 0
    whole_batches: bool = False

    def first_weights(self, inputs: int, outputs: int) -> list[np.ndarray]:
        """Kernel and bias of both layers, as Keras draws them (Glorot's uniform)."""
        rng = np.random.default_rng([1, self.seed])
        weights = []
        for rows, columns in ((inputs, self.units), (self.units, outputs)):
            bound = np.sqrt(6.0 / (rows + columns))
            weights.append(rng.uniform(-bound, bound, (rows, columns)).astype(np.float32))
            weights.append(np.zeros(columns, np.float32))
        return weights

    def order(self, examples: int) -> np.ndarray:
        """Which examples each step sees, (steps, batch): shuffled anew in every pass."""
        rng = np.random.default_rng([2, self.seed])
        size = min(self.batch, examples)
        a_pass = examples // size
        in_batches = np.arange(a_pass * size).reshape(a_pass, size)
        passes = [
            rng.permutation(in_batches)
            if self.whole_batches
            else rng.permutation(examples)[: a_pass * size].reshape(a_pass, size)
            for _ in range(-(-self.steps // a_pass))
        ]
        return np.concatenate(passes)[: self.steps]


def train_population(
    trees: Sequence[Tree],
    domain: Domain,
    x: np.ndarray,
    y: np.ndarray,
    seen: Sequence[np.ndarray],
    training: Training,
    threads: int | None = None,
    exact: bool = False,
) -> list[np.ndarray]:
    """Trains one network for each formula.

    Args:
        trees: the formulas.
        domain: what they read.
        x: inputs (examples, inputs), float32.
        y: targets: one-hot or bits (examples, outputs), class ids (examples,) for embeddings,
            corners (examples, 4) for boxes, numbers (examples, outputs) for images.
        seen: inputs of which the trained networks' outputs are wanted.
        training: network and optimizer.
        threads: by default one a processor core.
        exact: in float64, and slopes from the formulas, not from tables: slow, and what the tables
            are held against. Boxes have tables all the same.

    Returns:
        For each array in `seen`, outputs (formulas, rows, outputs).
    """
    outputs = 16 if domain.kind == "embedding" else y.shape[-1]
    order = training.order(len(x))
    blocks = [trees[start : start + BLOCK] for start in range(0, len(trees), BLOCK)]

    def run(block: Sequence[Tree]) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            dtype = np.float64 if exact else np.float32
            networks = _Networks(len(block), training, x.shape[1], outputs, dtype)
            look_up = exact_slopes_of if exact and domain.kind != "boxes" else slopes_of
            slopes = look_up(domain, block)
            for step, rows in enumerate(order):
                networks.step(x[rows], y[rows], slopes, step + 1)
            return [networks.outputs(inputs) for inputs in seen]

    workers = min(threads or os.cpu_count() or 1, len(blocks))
    with threadpool_limits(1, "blas"):  # threads of BLAS inside our own would wait for each other
        if workers == 1:
            results = [run(block) for block in blocks]
        else:
            with ThreadPoolExecutor(workers) as pool:
                results = list(pool.map(run, blocks))
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


class _Networks:
    """K networks with one hidden layer of ReLUs, and their Adam (as Keras's)."""

    def __init__(
        self, count: int, training: Training, inputs: int, outputs: int, dtype: type
    ) -> None:
        self.count, self.units, self.rate = count, training.units, training.learning_rate
        first = training.first_weights(inputs, outputs)
        shapes = [
            (inputs, count * self.units),
            (count * self.units,),
            (count, self.units, outputs),
            (count, 1, outputs),
        ]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        self.flat = np.empty(ends[-1], dtype)
        self.change = np.zeros_like(self.flat)
        self.mean, self.square = np.zeros_like(self.flat), np.zeros_like(self.flat)
        self.weights, self.slopes = (
            [p.reshape(s) for p, s in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
            for flat in (self.flat, self.change)
        )
        self.weights[0].reshape(inputs, count, -1)[:] = first[0][:, None]
        self.weights[1].reshape(count, -1)[:] = first[1]
        self.weights[2][:], self.weights[3][:] = first[2], first[3]

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """(B, K, units)"""
        z = x @ self.weights[0]
        z += self.weights[1]
        np.maximum(z, 0.0, out=z)
        return z.reshape(len(x), self.count, self.units)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        return self.hidden(x).transpose(1, 0, 2) @ self.weights[2] + self.weights[3]

    def step(self, x: np.ndarray, y: np.ndarray, slopes, number: int) -> None:
        h = self.hidden(x)
        by_network = h.transpose(1, 0, 2)
        d_out = slopes(by_network @ self.weights[2] + self.weights[3], y)
        np.matmul(by_network.transpose(0, 2, 1), d_out, out=self.slopes[2])
        np.sum(d_out, axis=1, keepdims=True, out=self.slopes[3])
        d_hidden = np.empty_like(h)
        np.matmul(d_out, self.weights[2].transpose(0, 2, 1), out=d_hidden.transpose(1, 0, 2))
        d_hidden *= h > 0
        d_hidden = d_hidden.reshape(len(x), -1)
        np.matmul(x.T, d_hidden, out=self.slopes[0])
        np.sum(d_hidden, axis=0, out=self.slopes[1])
        self._adam(number)

    def _adam(self, number: int) -> None:
        """As Keras computes it, operation by operation: 1 - 0.999 of float32 is not 0.001.

        Keras casts the two rates of decay by way of float32, in float64 as well.
        """
        real = self.flat.dtype.type
        beta_1, beta_2 = real(np.float32(0.9)), real(np.float32(0.999))
        unbiased = np.sqrt(real(1.0) - beta_2**number) / (real(1.0) - beta_1**number)
        step = self.change - self.mean
        step *= real(0.1)
        self.mean += step
        np.multiply(self.change, self.change, out=step)
        step -= self.square
        step *= real(0.001)
        self.square += step
        np.sqrt(self.square, out=step)
        step += real(1e-7)
        np.divide(self.mean, step, out=step)
        step *= real(self.rate) * unbiased
        self.flat -= step
