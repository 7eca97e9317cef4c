"""The base of every loss: what a loss declares, and how values become one number."""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops, tree
from keras.src.backend import get_keras_mask  # a JAX tensor has no attribute to read it from

from lossforge.ranges import Choice, Float

LOSSES: dict[str, type[Loss]] = {}
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


class Loss(keras.losses.Loss):
    """A pure function from targets and predictions to one value per example.

    Subclasses write `call(y_true, y_pred)`, which returns values of shape (batch, ...), never a
    scalar, and declare the class attributes below. Subclassing registers the loss by its name.
    Constructor arguments are stored under their own names: they are the config.

    A loss whose values depend on the rest of the batch says so (`batch_coupled = True`) and writes
    `call_valid(y_true, y_pred, counts)` instead, so that an example that does not count is left
    out of every pair, neighbourhood and statistic.

    What the base takes care of, beyond `keras.losses.Loss`:

    * integers stay integers (class ids above 2**24 do not collide), floats are computed in
      float32 or better, whatever the policy of the model;
    * an example of weight 0, a masked one and an ignored one do not count at all, not even when
      they hold NaN: they are replaced before the loss is computed, so that the gradient is clean;
    * a mask divides the mean by the number of valid values; weights do not enter the divisor
      (both as in Keras), except with `reduction="mean_with_sample_weight"`;
    * `sample_weight` is aligned with the values from the left: (batch,) fits (batch, time).

    Args:
        name: what logs call the loss; by default the class name in snake case.
        reduction: `"sum_over_batch_size"` (or `"mean"`), `"sum"`, `"mean_with_sample_weight"`, or
            `None` for the values themselves.
        dtype: float32 (default) or float64; half precision is raised to float32.
    """

    kinds: tuple[str, ...] = ()
    """Names of the Kinds (lossforge.kinds) whose tensors this loss reads."""
    source: ClassVar[str] = ""
    """Authors, year, title."""
    minimum: ClassVar[float | None] = 0.0
    """The value at a perfect prediction; None where there is no such value."""
    best_at_perfect: ClassVar[bool] = True
    """False where the least value lies elsewhere than at a perfect prediction."""
    search: ClassVar[dict[str, Float | Choice]] = {}
    """The range of each hyper-parameter that is worth searching."""
    variants: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Constructor arguments that the conformance kit tests."""
    batch_coupled: bool = False
    """True where the value of an example depends on the others in the batch (`call_valid`)."""
    detached: bool = False
    """True where the paper holds a part of the formula constant in the gradient."""
    reweighted: ClassVar[bool] = False
    """True where that part is a weight that may grow as an example improves, and its value too."""
    wraps: ClassVar[bool] = False
    """True for a loss over other losses: not a candidate by itself."""
    open_arguments: ClassVar[bool] = False
    """True where the constructor takes further numbers, by names of the user's choice."""
    memory: ClassVar[str] = "O(B)"
    """How memory grows with the batch B."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.kinds or cls.wraps:
            LOSSES[cls.__name__] = cls
            keras.saving.register_keras_serializable(cls.__module__.split(".")[0])(cls)

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name or snake_case(type(self).__name__), reduction, dtype)
        self._dtype: str = "float64" if self.dtype == "float64" else "float32"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        leaves = tree.flatten(y_pred)
        mask = get_keras_mask(leaves[0]) if leaves else None
        with keras.name_scope(self.name):
            y_pred = tree.map_structure(self._prediction, _arrays(y_pred))
            y_true = tree.map_structure(self._target, _arrays(y_true))
            ignored = self.valid(y_true, y_pred)
            if ignored is not None:
                mask = ignored if mask is None else ops.logical_and(mask, ignored)
            values, divisor = self.weighted_values(y_true, y_pred, sample_weight, mask)
            return self.reduce(values, divisor)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One value per example. Either this or `call_valid` is a subclass's own."""
        if type(self).call_valid is Loss.call_valid:
            raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred).")
        batch = ops.shape(tree.flatten(y_pred)[0])[:1]
        return self.call_valid(y_true, y_pred, ops.ones(batch, dtype="bool"))

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        """`call` for a batch of which only some examples count.

        Examples that do not count hold harmless numbers here, and their values are set to 0
        afterwards; losses of one example at a time have nothing to add. A batch-coupled loss
        writes this method: its values must be those of the batch without these examples.

        Args:
            y_true: targets.
            y_pred: predictions.
            counts: boolean, of the shape that `sample_weight` or the mask has: (batch,), or
                (batch, 1), or more axes where these have them.
        """
        return self.call(y_true, y_pred)

    def missing(self) -> str | None:
        """The package that this loss needs and that is not installed; None where it can compute."""
        return None

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        """Which examples count (a boolean tensor), or None when all do."""
        return None

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        """Values times weights, and what a mean over them divides by."""
        if sample_weight is None and mask is None:
            values = self.call(y_true, y_pred)
            return values, _size(values, self.dtype)
        weight, mask = self._weight(sample_weight, mask)
        counts = _combine(weight, mask)
        y_true, y_pred = self._without(counts, y_true, y_pred)
        values = self.call_valid(y_true, y_pred, counts)
        return self.apply_weight(values, weight, mask)

    def apply_weight(self, values, weight, mask):
        """(values * weight with exact zeros where nothing counts, divisor of the mean)."""
        divisor = _size(values, self.dtype)
        if mask is not None:
            valid = ops.cast(ops.broadcast_to(align(mask, values), ops.shape(values)), self.dtype)
            divisor = ops.sum(valid)
        if weight is not None:
            weight = ops.broadcast_to(align(weight, values), ops.shape(values))
            if self.reduction == "mean_with_sample_weight":
                counted = weight if mask is None else weight * valid
                divisor = ops.sum(counted)
        if mask is not None:
            weight = valid if weight is None else weight * valid
        values = ops.where(weight == 0, ops.zeros_like(values), values) * weight
        return values, divisor

    def reduce(self, values: Any, divisor: Any) -> Any:
        if self.reduction in (None, "none"):
            return values
        total = ops.sum(values)
        if self.reduction == "sum":
            return total
        return ops.divide_no_nan(total, divisor) / replicas()

    def arguments(self) -> dict[str, Any]:
        """The constructor's own arguments, without name, reduction and dtype, as they are now."""
        return {n: getattr(self, n) for n in argument_names(type(self))}

    def get_config(self) -> dict[str, Any]:
        config = {n: _plain(value) for n, value in self.arguments().items()}
        return {**config, "name": self.name, "reduction": self.reduction, "dtype": self.dtype}

    def _prediction(self, x: Any) -> Any:
        return ops.convert_to_tensor(x, dtype=self.dtype)

    def _target(self, x: Any) -> Any:
        x = ops.convert_to_tensor(x)
        name = keras.backend.standardize_dtype(x.dtype)
        if "float" in name:
            return ops.cast(x, self.dtype)
        return ops.cast(x, "int32") if name == "bool" else x

    def _weight(self, sample_weight, mask):
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
        if mask is not None:
            mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        return sample_weight, mask

    def _without(self, counts, y_true, y_pred):
        """Replaces what does not count by harmless values, before anything is computed."""

        def replace(safe):
            def leaf(x):
                if len(x.shape) < len(counts.shape):
                    return x
                harmless = ops.full_like(x, safe(x))
                return ops.where(align(counts, x), x, harmless)

            return leaf

        is_float = lambda x: "float" in keras.backend.standardize_dtype(x.dtype)  # noqa: E731
        y_true = tree.map_structure(replace(lambda x: 0.5 if is_float(x) else 0), y_true)
        return y_true, tree.map_structure(replace(lambda x: 0.5), y_pred)


def align(weight: Any, values: Any) -> Any:
    """Gives `weight` the rank of `values`, matching axes from the left."""
    while len(weight.shape) > len(values.shape) and weight.shape[-1] == 1:
        weight = ops.squeeze(weight, axis=-1)
    for have, want in zip(weight.shape, values.shape, strict=False):
        if have not in (None, 1, want) and want is not None:
            break
    else:
        if len(weight.shape) <= len(values.shape):
            extra = len(values.shape) - len(weight.shape)
            return ops.reshape(weight, (*ops.shape(weight), *([1] * extra)))
    raise ValueError(
        f"sample_weight or mask of shape {tuple(weight.shape)} does not fit values of shape "
        f"{tuple(values.shape)}: its axes must match them from the left, "
        "for example (batch,) for values of shape (batch, time)."
    )


def mean_over_last_axis(x: Any) -> Any:
    """The mean, in the dtype of `x`: Keras's own computes float64 in float32 on JAX."""
    return ops.sum(x, axis=-1) / x.shape[-1]


def replicas() -> float:
    """How many replicas a `tf.distribute` strategy sums gradients over; 1 without one."""
    if keras.backend.backend() != "tensorflow":
        return 1.0
    import tensorflow as tf

    return float(tf.distribute.get_strategy().num_replicas_in_sync)


def mean_over_replicas(x: Any) -> Any:
    """The mean of a tensor over the replicas of a `tf.distribute` strategy; `x` without one."""
    if replicas() == 1.0:
        return x
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, x)


def snake_case(name: str) -> str:
    """
    >>> snake_case("GIoU"), snake_case("SmoothL1"), snake_case("HardExamples")
    ('giou', 'smooth_l1', 'hard_examples')
    """
    name = re.sub(r"IoU$", "iou", name) if name.endswith("IoU") else name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def argument_names(cls: Any) -> list[str]:
    """The constructor's own arguments, without name, reduction and dtype."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    skip = ("self", "name", "reduction", "dtype")
    named = (p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
    return [p.name for p in named if p.name not in skip]


def check_range(loss: str, name: str, value: float, low: float, high: float = np.inf) -> float:
    """`value`, or a ValueError that names it and the range it must be in."""
    if not isinstance(value, int | float | np.number) or not low <= value <= high:
        bounds = f"at least {low:g}" if high == np.inf else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{loss}: {name} must be a number {bounds}, got {value!r}.")
    return float(value)


def _arrays(x: Any) -> Any:
    """Nested Python numbers become one array; a structure of tensors stays what it is."""
    if isinstance(x, list | tuple) and all(isinstance(v, int | float) for v in tree.flatten(x)):
        return np.asarray(x)
    return x


def _combine(weight, mask):
    """True where an example counts, in the larger of the two ranks."""
    if weight is None or mask is None:
        return mask if weight is None else ops.not_equal(weight, 0)
    counts = ops.not_equal(weight, 0)
    if len(counts.shape) >= len(mask.shape):
        return ops.logical_and(counts, align(mask, counts))
    return ops.logical_and(align(counts, mask), mask)


def _size(values, dtype):
    if all(d is not None for d in values.shape):
        return ops.convert_to_tensor(float(np.prod(values.shape)), dtype=dtype)
    return ops.cast(ops.size(values), dtype)


def _plain(value: Any) -> Any:
    """A constructor argument as plain Python data."""
    if isinstance(value, keras.losses.Loss):
        return keras.saving.serialize_keras_object(value)
    if isinstance(value, keras.Variable):
        return float(ops.convert_to_numpy(value))
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
