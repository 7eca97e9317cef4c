"""A step of style transfer with targets that were encoded once, against encoding them each time.

    python tools/bench/style_targets.py --size 128

"Once, shared" is the task's own step: targets are constants, and one pass of the network over the
picture serves both losses. "Each step, shared" encodes the targets anew; "each step, apart" also
lets each loss look at the picture by itself. All in one process, in turns; ratios of medians.
"""

import argparse
import statistics
import time

import numpy as np
import tensorflow as tf

from lossforge import spec
from lossforge.tasks.style_transfer import (
    StyleModel,
    StyleTransfer,
    StyleTransferData,
    looking,
    unit_range,
)
from lossforge.training.term_model import TermModel

LOSSES = {
    "content": "Perceptual(layers=['block4_conv2'])",
    "style": "Style()",
    "smooth": "TotalVariation()",
}


class EachStep(StyleModel):
    """Encodes both targets in every step."""

    def __init__(self, task, losses) -> None:
        super().__init__(task, losses)
        pictures = {"content": task.content, "style": task.style}
        self._pairs = {n: (looking(n, losses[n]), unit_range(p)) for n, p in pictures.items()}

    def readings(self, x, y, outputs, sample_weight, training):
        self._targets = {n: loss.encode(picture) for n, (loss, picture) in self._pairs.items()}
        return super().readings(x, y, outputs, sample_weight, training)


def step_of(model: TermModel):
    """One compiled step: the losses and their gradient in the picture."""

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(None, None, model.network(tf.zeros((1, 1))))
        return loss, tape.gradient(loss, model.network.trainable_variables)

    return step


def seconds(step) -> float:
    start = time.perf_counter()
    loss, _ = step()
    np.asarray(loss)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128, help="longer side in pixels")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    task = StyleTransfer(StyleTransferData("cat", "tissue", arguments.size, 1))
    losses = lambda: {slot: spec.parse(text) for slot, text in LOSSES.items()}  # noqa: E731
    steps = {
        "once, shared": step_of(task.trainable(losses())),
        "each step, shared": step_of(EachStep(task, losses())),
        "each step, apart": step_of(TermModel(task.network, task.read, losses())),
    }
    values = {name: float(step()[0]) for name, step in steps.items()}  # traces
    times = {name: [] for name in steps}
    for _ in range(arguments.rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for name, taken in medians.items():
        ratio = taken / medians["once, shared"]
        print(f"{name:18}  {taken:.3f} s  {ratio:.2f} times  loss {values[name]:.6g}")


if __name__ == "__main__":
    main()
