"""The conformance kit: what every loss must keep, on TensorFlow and JAX. Public, for your own too.

>>> import lossforge
>>> check(lossforge.SmoothL1(), "regression")
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend import set_keras_mask

from lossforge.kinds import Kind, kind_of, probabilities
from lossforge.losses.base import Loss, argument_names

Oracle = Callable[..., np.ndarray]


def check(loss: Loss, kind: str, oracle: Oracle | None = None) -> None:
    """Runs every check on one loss; raises an AssertionError that says which promise broke.

    Args:
        loss: the loss to test.
        kind: name of the Kind of tensors to test it on.
        oracle: (y_true, y_pred, **config) -> values in float64 NumPy, if there is one.
    """
    for function in CHECKS:
        function(loss, kind_of(kind))
    if oracle is not None:
        matches_oracle(loss, kind_of(kind), oracle)


def cases(cls: type[Loss]) -> Iterator[tuple[dict[str, Any], str]]:
    """(constructor arguments, kind) of each variant that the kit tests; a task is its own kind."""
    for variant in cls.variants:
        for kind in cls.kinds:
            if variant.get("task", kind) != kind:
                continue
            task = {"task": kind} if "task" in argument_names(cls) else {}
            yield {**task, **variant}, kind


def draw(loss: Loss, kind: Kind, seed: int = 0, batch: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of a Kind, as the loss reads them."""
    y_true, y_pred = kind.draw(np.random.default_rng(seed), batch)
    return y_true, as_read(loss, kind, y_pred)


def as_read(loss: Loss, kind: Kind, y_pred: np.ndarray) -> np.ndarray:
    if kind.activation and not getattr(loss, "from_logits", False):
        return probabilities(kind, y_pred)
    return y_pred


def rebuilt(loss: Loss, **changes: Any) -> Loss:
    return type(loss).from_config({**loss.get_config(), **changes})


def values_of(loss: Loss, y_true: Any, y_pred: Any, weight: Any = None) -> np.ndarray:
    """Unreduced values as NumPy."""
    return ops.convert_to_numpy(rebuilt(loss, reduction=None)(y_true, y_pred, weight))


def gradient_of(loss: Loss, y_true: Any, y_pred: np.ndarray, weight: Any = None) -> np.ndarray:
    """d sum(values) / d y_pred by automatic differentiation, on the backend in use."""
    summed = rebuilt(loss, reduction="sum")
    y_pred = ops.convert_to_tensor(y_pred, dtype=loss.dtype)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda p: summed(y_true, p, weight))(y_pred))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        total = summed(y_true, y_pred, weight)
    return tape.gradient(total, y_pred).numpy()


def matches_oracle(loss: Loss, kind: Kind, oracle: Oracle) -> None:
    """Equals an independent float64 NumPy oracle, in float64 and float32."""
    config = loss.arguments()
    # On JAX some Keras functions (mean, arctan2) compute float64 in float32.
    finest = 1e-6 if keras.backend.backend() == "jax" else 1e-9
    for seed, (dtype, tolerance) in enumerate((("float64", finest), ("float32", 2e-5))):
        y_true, y_pred = draw(loss, kind, seed)
        expected = oracle(y_true, y_pred, **config)
        actual = values_of(rebuilt(loss, dtype=dtype), y_true, y_pred)
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def gives_one_value_per_example(loss: Loss, kind: Kind) -> None:
    y_true, y_pred = draw(loss, kind)
    values = values_of(loss, y_true, y_pred)
    assert values.shape == y_pred.shape[: values.ndim] and values.ndim >= 1, values.shape
    if not loss.batch_coupled:
        one = values_of(loss, y_true[:1], y_pred[:1])
        np.testing.assert_allclose(one, values[:1], rtol=1e-5, atol=1e-6)


def batch_order_does_not_matter(loss: Loss, kind: Kind) -> None:
    y_true, y_pred = draw(loss, kind)
    order = np.random.default_rng(1).permutation(len(y_pred))
    expected = values_of(loss, y_true, y_pred)[order]
    actual = values_of(loss, y_true[order], y_pred[order])
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def is_least_at_the_perfect_prediction(loss: Loss, kind: Kind) -> None:
    if getattr(loss, "label_smoothing", 0.0):  # the optimum lies at the smoothed label instead
        return
    if not loss.best_at_perfect:
        return
    y_true, y_pred = draw(loss, kind)
    best = values_of(loss, y_true, as_read(loss, kind, kind.perfect(y_true)))
    assert np.all(best <= values_of(loss, y_true, y_pred) + 1e-6), best
    if loss.minimum is not None:
        np.testing.assert_allclose(best, loss.minimum, atol=1e-4)


def is_finite_at_extremes(loss: Loss, kind: Kind) -> None:
    y_true, y_pred = draw(loss, kind)
    for extreme in kind.extremes:
        row = np.full_like(y_pred, extreme)
        mixed = np.where(np.arange(row.shape[-1]) % 2, row, -row)
        for logits in (row, mixed):
            at = as_read(loss, kind, logits)
            assert np.all(np.isfinite(values_of(loss, y_true, at))), f"value at {extreme}"
            assert np.all(np.isfinite(gradient_of(loss, y_true, at))), f"gradient at {extreme}"


def is_finite_in_degenerate_batches(loss: Loss, kind: Kind) -> None:
    """One example; predictions all alike; one target for all; no two targets alike."""
    y_true, y_pred = draw(loss, kind)
    first = np.zeros(len(y_pred), dtype=int)
    different = np.sort(np.unique(y_true, axis=0, return_index=True)[1])
    batches = {
        "one example": (y_true[:1], y_pred[:1]),
        "predictions all alike": (y_true, y_pred[first]),
        "one target for all": (y_true[first], y_pred),
        "targets and predictions all alike": (y_true[first], y_pred[first]),
        "no two targets alike": (y_true[different], y_pred[different]),
    }
    for case, (targets, predictions) in batches.items():
        assert np.all(np.isfinite(values_of(loss, targets, predictions))), f"value, {case}"
        assert np.all(np.isfinite(gradient_of(loss, targets, predictions))), f"gradient, {case}"
    nothing = values_of(loss, y_true, y_pred, np.zeros(len(y_pred)))
    assert np.all(nothing == 0), "no example counts"


def weight_zero_removes_an_example(loss: Loss, kind: Kind) -> None:
    """Values and gradient are those of the batch without it, even where it holds NaN."""
    y_true, y_pred = draw(loss, kind)
    weight = np.array([1.0, 0.0, 2.0, 0.0, 1.0, 0.5])
    kept = weight != 0
    hostile = y_pred.copy()
    hostile[~kept] = np.nan
    for of in (gradient_of, values_of):
        expected = of(loss, y_true[kept], y_pred[kept], weight[kept])
        actual = of(loss, y_true, hostile, weight)
        np.testing.assert_allclose(actual[kept], expected, rtol=1e-5, atol=1e-6)
        assert np.all(actual[~kept] == 0)
    plain = values_of(loss, y_true[kept], y_pred[kept])
    factor = weight[kept].reshape(-1, *[1] * (plain.ndim - 1))
    np.testing.assert_allclose(expected, plain * factor, rtol=1e-5, atol=1e-7)


def a_mask_removes_an_example(loss: Loss, kind: Kind) -> None:
    """As `keras.layers.Masking` and `Embedding(mask_zero=True)` send it along with predictions."""
    y_true, y_pred = draw(loss, kind)
    kept = np.array([True, False, True, True, False, True])
    hostile = y_pred.copy()
    hostile[~kept] = np.nan
    hostile = ops.convert_to_tensor(hostile, dtype=loss.dtype)
    set_keras_mask(hostile, ops.convert_to_tensor(kept))
    actual = values_of(loss, y_true, hostile)
    expected = values_of(loss, y_true[kept], y_pred[kept])
    np.testing.assert_allclose(actual[kept], expected, rtol=1e-5, atol=1e-6)
    assert np.all(actual[~kept] == 0)


def nan_in_gives_nan_out(loss: Loss, kind: Kind) -> None:
    y_true, y_pred = draw(loss, kind)
    y_pred = y_pred.copy()
    y_pred[0] = np.nan
    values = values_of(loss, y_true, y_pred)
    assert np.all(np.isnan(values[0]))
    assert loss.batch_coupled or not np.any(np.isnan(values[1:]))


def gradient_equals_finite_differences(loss: Loss, kind: Kind) -> None:
    loss = rebuilt(loss, dtype="float64")
    if loss.detached:  # a part of the formula counts as constant: the two differ by definition
        return
    y_true, y_pred = draw(loss, kind, seed=3, batch=6 if loss.batch_coupled else 2)
    size = 1e-6 * np.maximum(np.abs(y_pred), 1e-2)
    steps = np.eye(y_pred.size).reshape(y_pred.size, *y_pred.shape) * size
    both = np.stack([y_pred + steps, y_pred - steps])  # (2, entries, batch, ...)
    if loss.batch_coupled:
        sums = np.array([[values_of(loss, y_true, p).sum() for p in side] for side in both])
    else:  # all of them as one large batch
        targets = np.tile(y_true, (2 * y_pred.size, *[1] * (y_true.ndim - 1)))
        values = values_of(loss, targets, both.reshape(-1, *y_pred.shape[1:]))
        sums = values.reshape(2, y_pred.size, -1).sum(axis=-1)
    numeric = ((sums[0] - sums[1]) / (2.0 * size.ravel())).reshape(y_pred.shape)
    noise = 1e-7 * max(1.0, np.abs(numeric).max())
    np.testing.assert_allclose(gradient_of(loss, y_true, y_pred), numeric, rtol=1e-5, atol=noise)


def graph_equals_eager(loss: Loss, kind: Kind) -> None:
    y_true, y_pred = draw(loss, kind)
    expected = values_of(loss, y_true, y_pred)
    unreduced = rebuilt(loss, reduction=None)
    if keras.backend.backend() == "jax":
        import jax

        compiled = [jax.jit(lambda t, p: unreduced(t, p))]
    else:
        import tensorflow as tf

        compiled = [tf.function(unreduced, jit_compile=xla) for xla in (False, True)]
    for function in compiled:
        actual = function(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred, "float32"))
        np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, rtol=1e-4, atol=1e-6)


def half_precision_is_computed_in_float32(loss: Loss, kind: Kind) -> None:
    y_true, y_pred = draw(loss, kind)
    for dtype in ("bfloat16", "float16"):
        half = ops.cast(ops.convert_to_tensor(y_pred), dtype)
        exact = values_of(loss, y_true, ops.cast(half, "float32"))
        result = rebuilt(loss, reduction=None, dtype=f"mixed_{dtype}")(y_true, half)
        assert keras.backend.standardize_dtype(result.dtype) == "float32"
        np.testing.assert_allclose(ops.convert_to_numpy(result), exact, rtol=1e-6, atol=1e-7)


def config_rebuilds_an_equal_loss(loss: Loss, kind: Kind) -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    y_true, y_pred = draw(loss, kind)
    assert np.array_equal(values_of(again, y_true, y_pred), values_of(loss, y_true, y_pred))


def a_step_along_the_gradient_helps(loss: Loss, kind: Kind) -> None:
    if loss.reweighted:  # the step lowers the loss at the old weights, not at the new ones
        return
    y_true, y_pred = draw(loss, kind, seed=5)
    gradient = gradient_of(loss, y_true, y_pred)
    gradient = gradient / max(1.0, np.abs(gradient).max())
    before = values_of(loss, y_true, y_pred)
    after = values_of(loss, y_true, y_pred - 1e-3 * gradient)
    if loss.batch_coupled:  # one example's step may cost its neighbour, but not all together
        before, after = before.sum(), after.sum()
    assert np.all(after <= before + 1e-6)


def memory_grows_as_declared(loss: Loss, kind: Kind) -> None:
    """Value and gradient of four times the batch take at most 4^n the memory, n from `memory`.

    XLA reports memory through JAX; TensorFlow's backend does not run this check. A loss of one
    example at a time can't but grow with the batch.
    """
    if keras.backend.backend() != "jax" or not loss.batch_coupled:
        return
    import jax

    def temporary(batch):
        y_true, y_pred = draw(loss, kind, batch=batch)
        summed = rebuilt(loss, reduction="sum")
        function = jax.jit(jax.value_and_grad(lambda p: summed(y_true, p)))
        compiled = function.lower(ops.convert_to_tensor(y_pred, dtype=loss.dtype)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    power = max(map(int, re.findall(r"B\^(\d)", loss.memory)), default=1)
    small, large = temporary(64), temporary(256)
    assert large <= 4.2**power * max(small, 4096), (loss.memory, small, large)


def docstring_says_what_it_must(loss: Loss, kind: Kind) -> None:
    text = inspect.getdoc(type(loss)) or ""
    missing = [w for w in ("Reads:", "Returns:", "Source:", ">>>") if w not in text]
    assert not missing, f"the docstring of {type(loss).__name__} lacks {missing}"
    assert type(loss).source, f"{type(loss).__name__}.source is empty"


CHECKS: tuple[Callable[[Loss, Kind], None], ...] = (
    gives_one_value_per_example,
    batch_order_does_not_matter,
    is_least_at_the_perfect_prediction,
    is_finite_at_extremes,
    is_finite_in_degenerate_batches,
    weight_zero_removes_an_example,
    a_mask_removes_an_example,
    nan_in_gives_nan_out,
    gradient_equals_finite_differences,
    graph_equals_eager,
    half_precision_is_computed_in_float32,
    config_rebuilds_an_equal_loss,
    a_step_along_the_gradient_helps,
    memory_grows_as_declared,
    docstring_says_what_it_must,
)
