"""Where a training runs: one device, several as one, or whatever is there."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from lossforge.errors import UsageError
from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.losses.global_batch import GlobalBatch


@dataclasses.dataclass(frozen=True)
class Placement:
    """How many devices share each batch, and the scope in which the model must be built.

    `alone_at_each_step`: sums over replicas can't stand in a compiled loop over several steps.
    """

    count: int
    scope: Callable[[], Any] = contextlib.nullcontext
    alone_at_each_step: bool = False


@contextlib.contextmanager
def placed(devices: str = "auto") -> Iterator[Placement]:
    """What is built in the placement's scope, and trained within, runs on these devices.

    Several devices each take their part of every batch and add up the gradients: on TensorFlow by
    `tf.distribute.MirroredStrategy`, on JAX by `keras.distribution.DataParallel`.

    Args:
        devices: "auto" (all accelerators, else the CPU), "cpu", "gpu:0" or "gpu:0,1", "mirrored"
            (all accelerators, or all logical CPUs, of which there must be several), or "tpu".

    Raises:
        UsageError: for devices that are not there, a TPU on TensorFlow, or a combination that
            would silently run on one device.
    """
    kind, _, which = devices.partition(":")
    if kind not in ("auto", "cpu", "gpu", "mirrored", "tpu") or (which and kind != "gpu"):
        raise UsageError(
            f"--devices takes auto, cpu, gpu:0, gpu:0,1, mirrored or tpu, not '{devices}'."
        )
    on_jax = keras.backend.backend() == "jax"
    if kind == "tpu" and not on_jax:
        raise UsageError(
            "--devices tpu needs KERAS_BACKEND=jax: TensorFlow 2.19 was the last with TPU support."
        )
    names = chosen(kind, which, _jax_devices() if on_jax else _tensorflow_devices())
    with _jax(names) if on_jax else _tensorflow(names) as placement:
        yield placement


def chosen(kind: str, which: str, there: dict[str, list[Any]]) -> list[Any]:
    """
    >>> chosen("gpu", "0,1", {"cpu": ["CPU:0"], "gpu": ["GPU:0", "GPU:1"]})
    ['GPU:0', 'GPU:1']
    >>> chosen("auto", "", {"cpu": ["CPU:0"], "gpu": []})
    ['CPU:0']
    """
    fast = there.get("tpu") or there["gpu"]
    if kind in ("gpu", "tpu") and not there.get(kind):
        raise UsageError(f"--devices {kind}: there is no {kind.upper()} that the backend sees.")
    if kind == "gpu":
        numbers = [part.strip() for part in which.split(",")] if which else ["0"]
        known = [str(number) for number in range(len(there["gpu"]))]
        if not set(numbers) <= set(known) or len(set(numbers)) < len(numbers):
            raise UsageError(f"--devices gpu:{which}: there are the GPUs {', '.join(known)}.")
        return [there["gpu"][int(number)] for number in numbers]
    if kind == "mirrored":
        found = fast or there["cpu"]
        if len(found) < 2:
            raise UsageError("--devices mirrored needs two devices; there is one. Leave it out.")
        return found
    return there["cpu"][:1] if kind == "cpu" or not fast else fast


def synchronise(task: Any, replicas: int) -> None:
    """Batch normalisation over the whole batch, as on one device, not over each replica's part."""
    if replicas > 1 and keras.backend.backend() == "tensorflow":
        for model in models_of(task):
            for layer in model._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = True


def whole_batch(losses: Mapping[str, Loss], replicas: int) -> dict[str, Loss]:
    """Losses that compare the examples of a batch, over the batches of all replicas together.

    On JAX, and on one device, they see the whole batch as they are.

    Raises:
        UsageError: for such a loss on a critic's scores, which do not pass through one loss.
    """
    if replicas < 2 or keras.backend.backend() != "tensorflow":
        return dict(losses)
    return {name: _gathering(loss) for name, loss in losses.items()}


def _gathering(loss: Loss) -> Loss:
    if isinstance(loss, Composite):
        terms = {n: (loss.weights[n], _gathering(term)) for n, term in loss.losses.items()}
        return Composite(terms, name=loss.name)
    if not loss.batch_coupled or isinstance(loss, GlobalBatch):
        return loss
    if any(kind.startswith("critic") for kind in loss.kinds):
        raise UsageError(
            f"{type(loss).__name__} compares the scores of a batch: train it on one device, or "
            "choose a critic's loss of one score at a time, such as NonSaturatingGAN()."
        )
    return GlobalBatch(loss, name=loss.name, reduction=loss.reduction, dtype=loss.dtype)


def keep_first_batch(model: keras.Model) -> None:
    """Stops `fit` from drawing a batch to build a model under a strategy: ours is built, and what
    that batch comes from would shuffle once more than on one device."""
    model._maybe_symbolic_build = lambda *_, **__: None


def predicts_on_one(task: Any) -> None:
    """Lets the task's models predict on one device: under a strategy, each replica would predict
    the same batch, and their answers would come one after the other. Called out of its scope."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    for model in models_of(task):
        model._distribute_strategy = tf.distribute.get_strategy()


def models_of(task: Any) -> list[keras.Model]:
    """The task's network, and what it has beside it: an encoder, a discriminator."""
    return [value for value in vars(task).values() if isinstance(value, keras.Model)]


def check_batch(dataset: Any, replicas: int) -> None:
    """
    Raises:
        UsageError: when a batch can't be divided evenly: its parts would weigh differently.
    """
    spec = getattr(dataset, "element_spec", None)
    if replicas < 2 or spec is None:
        return
    known = {leaf.shape[0] for leaf in keras.tree.flatten(spec)} - {None}
    if not known:
        raise UsageError(
            f"{replicas} devices can't share batches whose size is not fixed: the last one may be "
            "smaller. Use dataset.batch(size, drop_remainder=True)."
        )
    size = known.pop()
    if size % replicas:
        raise UsageError(
            f"A batch of {size} can't be shared by {replicas} devices: use a multiple, such as "
            f"--set batch_size={-(-size // replicas) * replicas}."
        )


def _tensorflow_devices() -> dict[str, list[str]]:
    import tensorflow as tf

    return {
        kind: [f"{kind.upper()}:{i}" for i in range(len(tf.config.list_logical_devices(name)))]
        for kind, name in (("cpu", "CPU"), ("gpu", "GPU"))
    }


def _jax_devices() -> dict[str, list[str]]:
    import jax

    there: dict[str, list[str]] = {"cpu": keras.distribution.list_devices("cpu"), "gpu": []}
    if jax.default_backend() != "cpu":
        there[jax.default_backend()] = keras.distribution.list_devices(jax.default_backend())
    return there


@functools.cache
def _mirrored(names: tuple[str, ...]) -> Any:
    """One strategy for all trainings of a process: the keys of two would collide."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([f"/{name}" for name in names])


@contextlib.contextmanager
def _tensorflow(names: list[str]) -> Iterator[Placement]:
    import tensorflow as tf

    if len(names) > 1:
        yield Placement(len(names), _mirrored(tuple(names)).scope, alone_at_each_step=True)
    else:
        with tf.device(f"/{names[0]}"):
            yield Placement(1)


@contextlib.contextmanager
def _jax(names: list[str]) -> Iterator[Placement]:
    before = keras.distribution.distribution()
    if len(names) > 1:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
        )
    try:
        if len(names) == 1:
            import jax

            kind, number = names[0].split(":")
            with jax.default_device(jax.devices(kind)[int(number)]):
                yield Placement(1)
        else:
            yield Placement(len(names))
    finally:
        keras.distribution.set_distribution(before)
