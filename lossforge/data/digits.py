"""scikit-learn's 1,797 handwritten digits: clean, mislabelled or long-tailed. No network needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lossforge.errors import RecipeError

CLASSES, TEST, VALIDATION = 10, 600, 400


@dataclass(frozen=True)
class DigitData:
    """Splits of `(pixels (B, 64) float32 in 0..1, label (B,) int32)`, in batches."""

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    class_counts: tuple[int, ...]


def load_digit_data(
    seed: int = 0,
    *,
    examples: int = 700,
    noise: float = 0.0,
    noisy_validation: bool = False,
    tail: float = 1.0,
    batch_size: int = 50,
) -> DigitData:
    """Draws the training examples; test (600) and validation (400) are the same for every seed.

    Args:
        seed: of which examples are drawn, whose labels are wrong, and their order.
        examples: training examples if classes are even, up to 790.
        noise: share of training labels replaced by another class, uniformly.
        noisy_validation: whether validation labels are wrong as often.
        tail: how many times more frequent class 0 is than class 9; the counts fall geometrically.
        batch_size: examples in a batch.

    Raises:
        RecipeError: for numbers out of range.
    """
    _check(examples, noise, tail, batch_size)
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    pixels, labels = (pixels[order] / 16).astype("float32"), labels[order].astype("int32")
    test, validation = slice(0, TEST), slice(TEST, TEST + VALIDATION)
    rng = np.random.default_rng([20, seed])
    pool = np.arange(TEST + VALIDATION, len(pixels))
    counts = [round(examples / CLASSES * tail ** (-c / (CLASSES - 1))) for c in range(CLASSES)]
    owned = [pool[labels[pool] == c] for c in range(CLASSES)]
    kept = [
        rng.choice(own, min(count, len(own)), replace=False)
        for count, own in zip(counts, owned, strict=True)
    ]
    chosen = np.concatenate(kept)
    train_labels = _mislabelled(labels[chosen], noise, rng)
    shown = _mislabelled(labels[validation], noise if noisy_validation else 0.0, rng)
    train = tf.data.Dataset.from_tensor_slices((pixels[chosen], train_labels))
    train = train.shuffle(len(chosen), seed=seed).batch(batch_size, drop_remainder=True)
    return DigitData(
        train,
        tf.data.Dataset.from_tensor_slices((pixels[validation], shown)).batch(VALIDATION),
        tf.data.Dataset.from_tensor_slices((pixels[test], labels[test])).batch(TEST),
        tuple(len(own) for own in kept),
    )


def _mislabelled(labels: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """That share of the labels, chosen at random, moved to one of the other classes."""
    wrong = rng.permutation(len(labels)) < round(noise * len(labels))
    moved = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    return np.where(wrong, moved, labels).astype("int32")


def _check(examples: int, noise: float, tail: float, batch_size: int) -> None:
    for name, value, low, high in (
        ("examples", examples, 10, 790),
        ("noise", noise, 0.0, 0.9),
        ("tail", tail, 1.0, 100.0),
        ("batch_size", batch_size, 1, 500),
    ):
        if not isinstance(value, int | float) or not low <= value <= high:
            raise RecipeError(f"digits: {name} must be from {low:g} to {high:g}, got {value!r}.")
