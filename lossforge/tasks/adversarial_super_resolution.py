"""Super-resolution against a discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.composite import Composite
from lossforge.recipe import Reading, Slot
from lossforge.tasks.super_resolution import SuperResolution
from lossforge.training.adversarial_model import AdversarialModel
from lossforge.training.term_model import TermModel

CRITICS = ("critic", "critic_value", "critic_pair")


class AdversarialSuperResolution(SuperResolution):
    """SuperResolution with two more slots, so that each phase of the training has one.

    `image` holds what compares pixels, `perceptual` what compares features (both take several
    terms), `critic` what the discriminator and the generator play for. `LossWarmup` on the name of
    a slot lets it in late. A `critic` of weight 0 leaves the discriminator out.

    Args:
        network: the generator, as for `SuperResolution`.
        scale: enlargement.
        discriminator: RGB in [0, 1] to raw scores (see `lossforge.heads.discriminators`).
        perceptual: whether LPIPS is among the metrics.
        penalty: on the slope of the discriminator: None, "gradient_penalty" or "r1".
    """

    def __init__(
        self,
        network: keras.Model,
        scale: int,
        discriminator: keras.Model,
        perceptual: bool | None = None,
        penalty: str | None = None,
    ) -> None:
        super().__init__(network, scale, perceptual)
        self.discriminator = discriminator
        self.penalty = penalty
        self.slots["perceptual"] = Slot("perceptual", self.slots["image"].kinds)
        self.slots["critic"] = Slot("critic", CRITICS)

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        readings = super().read(target, outputs)
        return {**readings, "perceptual": readings["image"]}

    def trainable(self, losses: Mapping[str, Loss]) -> keras.Model:
        if not heard(losses["critic"]):
            return TermModel(self.network, self._without_critic, losses)
        return AdversarialModel(
            self.network,
            self.discriminator,
            self.read,
            losses,
            real=_in_unit_range,
            generated=_in_unit_range,
            penalty=self.penalty,
        )

    def _without_critic(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        """For a critic of weight 0, which costs nothing then: there is nothing to score."""
        scores = Reading(ops.zeros((1, 1)), ops.zeros((1, 1)))
        return {**self.read(target, outputs), "critic": {k: scores for k in CRITICS}}


def heard(loss: Loss) -> bool:
    """Whether the loss of a slot has any weight."""
    return not isinstance(loss, Composite) or any(loss.weights.values())


def _in_unit_range(images: Any) -> Any:
    return ops.cast(images, "float32") / 255.0
