"""A generator and a discriminator that train each other, through plain `fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from lossforge.errors import UsageError
from lossforge.losses.adversarial.penalties import gradient_penalty, r1
from lossforge.losses.base import Loss, replicas
from lossforge.losses.composite import Composite
from lossforge.recipe import Reading
from lossforge.training.term_model import Readings, TermModel

CRITIC = "critic"
PENALTIES = {  # penalty_weight is R1's gamma
    "gradient_penalty": gradient_penalty,
    "r1": lambda critic, real, _: r1(critic, real, gamma=1.0),
}


class AdversarialModel(TermModel):
    """A TermModel whose network is a generator, with a discriminator in the slot `critic`.

    The generator trains on the sum of all slots, as in a `TermModel`; the loss in `critic` reads
    the discriminator's scores of what was generated, with the target 1. The discriminator trains
    on the same loss with 1 for real and 0 for generated examples, plus a penalty on its slope.
    The weight of `critic` is the generator's: the discriminator learns at full strength, so that
    `LossWarmup("critic", begin=...)` lets it grow up first. Logs have `discriminator_loss`,
    `penalty`, and the mean scores `scores/real` and `scores/generated` (training only).

    One batch is one step: `discriminator_steps` updates of the discriminator, then
    `generator_steps` of the generator, all on that batch; `optimizer.iterations` counts the
    generator's. Train on TensorFlow.

    >>> import lossforge
    >>> generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> discriminator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    >>> losses = {"content": lossforge.SmoothL1(), "critic": lossforge.HingeGAN()}
    >>> read = lambda target, output: {"content": {"regression": Reading(target, output)}}
    >>> model = AdversarialModel(generator, discriminator, read, losses)
    >>> model.compile("adam", discriminator_optimizer="adam")
    >>> history = model.fit(ops.ones((8, 2)), ops.ones((8, 3)), verbose=0)
    >>> "discriminator_loss" in history.history, "terms/critic" in history.history
    (True, True)

    Args:
        generator: input to output; its weights are what the recipe exports.
        discriminator: one example to scores, (batch, ..., 1) or (batch, 1): raw, no sigmoid.
        read: (target, outputs) -> {slot: {kind: Reading}} of the slots other than `critic`.
        losses: a Loss or Composite for each slot; `critic` takes losses of the Kinds critic,
            critic_value and critic_pair.
        real: target -> what the discriminator sees as real.
        generated: generator output -> what it sees as generated.
        penalty: None, `"gradient_penalty"` (between real and generated) or `"r1"` (on real ones).
        penalty_weight: its weight in the discriminator's loss; of R1, |slope|^2 / 2, the gamma.
        discriminator_steps: updates of the discriminator a batch, at least 1.
        generator_steps: updates of the generator a batch, at least 1.

    Raises:
        UsageError: for losses without a `critic`, a penalty that does not exist, steps below 1,
            or another backend than TensorFlow when training starts.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        read: Callable[[Any, Any], Readings],
        losses: Mapping[str, Loss],
        *,
        real: Callable[[Any], Any] = lambda target: target,
        generated: Callable[[Any], Any] = lambda output: output,
        penalty: str | None = None,
        penalty_weight: float = 10.0,
        discriminator_steps: int = 1,
        generator_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        if CRITIC not in losses:
            raise UsageError(
                f"An AdversarialModel needs a loss in the slot 'critic', got {list(losses)}."
            )
        if penalty not in (None, *PENALTIES):
            raise UsageError(f"penalty must be None, {' or '.join(PENALTIES)}, got {penalty!r}.")
        if discriminator_steps < 1 or generator_steps < 1:
            raise UsageError(
                "discriminator_steps and generator_steps must be at least 1, "
                f"got {discriminator_steps!r} and {generator_steps!r}."
            )
        if isinstance(losses[CRITIC], Composite) and not any(losses[CRITIC].weights.values()):
            raise UsageError("All weights in the slot 'critic' are 0: nothing would be learned.")
        roles = {"side": "generator"}
        super().__init__(
            generator, read, {**losses, CRITIC: _changed(losses[CRITIC], roles)}, **kwargs
        )
        self.discriminator = discriminator
        self._judge = _changed(losses[CRITIC], {"side": "critic", "saturating": False})
        self._real, self._generated = real, generated
        self._penalty = PENALTIES[penalty] if penalty else None
        self._penalty_weight = penalty_weight
        self._steps = discriminator_steps, generator_steps
        names = ("discriminator_loss", "penalty", "scores/real", "scores/generated")
        self._shown = {name: keras.metrics.Mean(name=name) for name in names}

    def compile(
        self, optimizer: Any = "adam", discriminator_optimizer: Any = None, **kwargs: Any
    ) -> None:
        """As `keras.Model.compile`, with an optimizer of the discriminator.

        `discriminator_optimizer` is by default a second one like `optimizer`.
        """
        if keras.backend.backend() != "tensorflow":
            raise UsageError(
                f"AdversarialModel trains with KERAS_BACKEND=tensorflow, "
                f"not '{keras.backend.backend()}'."
            )
        optimizer = keras.optimizers.get(optimizer)
        if discriminator_optimizer is None:
            discriminator_optimizer = type(optimizer).from_config(optimizer.get_config())
        other = keras.optimizers.get(discriminator_optimizer)
        super().compile(optimizer=optimizer, **kwargs)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer) and other is not (
            self.optimizer
        ):
            other = keras.optimizers.LossScaleOptimizer(other)
        self.discriminator_optimizer = other
        self.optimizer.build(self.network.trainable_variables)
        other.build(self.discriminator.trainable_variables)

    def readings(
        self, x: Any, y: Any, outputs: Any, sample_weight: Any, training: bool
    ) -> Readings:
        images = self._generated(outputs)
        scores = self.discriminator(images, training=training)
        judged = {"critic": Reading(ops.ones_like(scores), scores)}
        judged["critic_value"] = judged["critic"]
        if "critic_pair" in _kinds(self.terms.losses[CRITIC]):
            real = ops.stop_gradient(self.discriminator(self._real(y), training=training))
            judged["critic_pair"] = Reading(real, scores)
        return {**self._read(y, outputs), CRITIC: judged}

    def train_step(self, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        discriminator_steps, generator_steps = self._steps
        images = tf.stop_gradient(self._generated(self.network(x, training=True)))
        for _ in range(discriminator_steps):
            with tf.GradientTape() as tape:
                loss = self.discriminator_loss(self._real(y), images)
                scaled = self.discriminator_optimizer.scale_loss(loss / replicas())
            variables = self.discriminator.trainable_variables
            self.discriminator_optimizer.apply(tape.gradient(scaled, variables), variables)
        for _ in range(generator_steps):
            with tf.GradientTape() as tape:
                outputs = self.network(x, training=True)
                loss = self.compute_loss(x, y, outputs, sample_weight, training=True)
                scaled = self.optimizer.scale_loss(loss)
            variables = self.network.trainable_variables
            self.optimizer.apply(tape.gradient(scaled, variables), variables)
        self._loss_tracker.update_state(loss * replicas(), sample_weight=tf.shape(images)[0])
        return self.compute_metrics(x, y, outputs, sample_weight)

    def discriminator_loss(self, real: Any, generated: Any) -> Any:
        """What the discriminator minimises; the mean over the batch."""
        real = ops.cast(real, generated.dtype)
        high = self.discriminator(real, training=True)
        low = self.discriminator(generated, training=True)
        loss = replicas() * _judged(self._judge, high, low)
        shown = {"discriminator_loss": loss}
        shown |= {"scores/real": ops.mean(high), "scores/generated": ops.mean(low)}
        if self._penalty is not None:
            score = lambda images: self.discriminator(images, training=True)  # noqa: E731
            penalty = ops.mean(self._penalty(score, real, generated))
            shown["penalty"] = penalty
            loss = loss + self._penalty_weight * ops.cast(penalty, loss.dtype)
        for name, value in shown.items():
            self._shown[name].update_state(ops.stop_gradient(value))
        return loss

    @property
    def metrics(self) -> list:
        known = super().metrics
        shown = [m for n, m in self._shown.items() if n != "penalty" or self._penalty]
        return known + [m for m in shown if not any(m is k for k in known)]


def _changed(loss: Loss, roles: Mapping[str, Any]) -> Loss:
    """The loss, and those in a Composite, with the arguments that make it one player's."""
    if isinstance(loss, Composite):
        terms = {n: (loss.weights[n], _changed(term, roles)) for n, term in loss.losses.items()}
        return Composite(terms, name=loss.name)
    config = loss.get_config()
    return type(loss).from_config(config | {n: v for n, v in roles.items() if n in config})


def _judged(loss: Loss, high: Any, low: Any) -> Any:
    """The discriminator's loss on scores of real (`high`) and of generated (`low`) examples.

    In a Composite only the ratios of the weights count.
    """
    if isinstance(loss, Composite):
        total = sum(loss.weights.values())
        return sum(loss.weights[n] / total * _judged(t, high, low) for n, t in loss.losses.items())
    if "critic_pair" in loss.kinds:
        return loss(low, high)
    return loss(ops.ones_like(high), high) + loss(ops.zeros_like(low), low)


def _kinds(loss: Loss) -> set[str]:
    if isinstance(loss, Composite):
        return set().union(*map(_kinds, loss.losses.values()))
    return set(loss.kinds)
