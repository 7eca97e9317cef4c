"""The precision of a training: what Keras policy, and a word where it is known to hurt."""

from __future__ import annotations

import warnings

import keras

from lossforge.errors import UsageError, unknown_name

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def set_precision(precision: str) -> None:
    """Sets Keras's global policy. Weights and losses stay in float32 under every one.

    Raises:
        UsageError: for a name that does not exist.
    """
    if precision not in POLICIES:
        raise UsageError(unknown_name("precision", precision, POLICIES))
    keras.mixed_precision.set_dtype_policy(POLICIES[precision])
    if precision != "float32" and not _has_accelerator():
        warnings.warn(
            f"{precision} on a CPU is slow, and bfloat16 convolutions on tiny feature maps have "
            "given NaN there; float32 is the better choice without a GPU or TPU.",
            stacklevel=2,
        )


def _has_accelerator() -> bool:
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
