"""The precision of a training: what Keras policy, and a word where it is known to hurt."""

from __future__ import annotations

import warnings

import keras

from lossforge.errors import UsageError, unknown_name

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
SHORT = {"bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}  # as they were once written


def set_precision(precision: str) -> str:
    """Sets Keras's global policy, and returns its name. Weights and losses stay in float32.

    Args:
        precision: "float32", "mixed_bfloat16", "mixed_float16", or "auto" for what suits the
            hardware (`default_precision`).

    Raises:
        UsageError: for a name that does not exist.
    """
    policy = default_precision() if precision == "auto" else SHORT.get(precision, precision)
    if policy not in POLICIES:
        raise UsageError(unknown_name("precision", precision, ("auto", *POLICIES)))
    keras.mixed_precision.set_dtype_policy(policy)
    if policy != "float32" and not devices():
        warnings.warn(
            f"{policy} on a CPU is slow, and bfloat16 convolutions on tiny feature maps have "
            "given NaN there; float32 is the better choice without a GPU or TPU.",
            stacklevel=2,
        )
    return policy


def default_precision() -> str:
    """What suits the hardware: bfloat16 on TPU and on GPUs that compute in it, float16 on older
    ones with tensor cores, float32 on everything else."""
    if not devices():
        return "float32"
    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "tpu":
            return "mixed_bfloat16"
        capability = getattr(jax.devices()[0], "compute_capability", "0.0")
        version = tuple(int(part) for part in str(capability).split("."))
    else:
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        details = tf.config.experimental.get_device_details(gpu)
        version = details.get("compute_capability", (0, 0))
    if version >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if version >= (7, 0) else "float32"


def devices() -> list[str]:
    """Names of the accelerators that the backend sees; none on a machine with a CPU alone."""
    if keras.backend.backend() == "jax":
        import jax

        return [] if jax.default_backend() == "cpu" else [str(d) for d in jax.devices()]
    import tensorflow as tf

    return [device.name for device in tf.config.list_physical_devices("GPU")]
