"""One name for the losses on the scores of a critic."""

from __future__ import annotations

from typing import Any

from lossforge.losses.adversarial.scores import (
    HingeGAN,
    LeastSquaresGAN,
    NonSaturatingGAN,
    WassersteinGAN,
)
from lossforge.losses.base import Loss
from lossforge.ranges import Choice

FORMS = ("minimax", "non_saturating", "least_squares", "wasserstein", "hinge")
SIDES = ("critic", "generator")


class Adversarial(Loss):
    """The loss of a critic or of its generator, by the name of the game.

        non_saturating   NonSaturatingGAN              both sides
        minimax          the same for the critic       -softplus(x) for the generator
        least_squares    LeastSquaresGAN               both sides
        wasserstein      WassersteinGAN                both sides
        hinge            HingeGAN, max(0, 1 - x)       -x for the generator

    at y = 1; the classes named say the rest. Relativistic games read pairs of scores:
    `RelativisticGAN`.

    Reads: y_true: (batch, ..., C) targets, 1 for real, or to be taken for real, 0 for generated;
        y_pred: (batch, ..., C) scores of a critic, one an image or one a patch.
    Returns: (batch, ...), the mean over the last axis.
    Source: Goodfellow et al. 2014, Generative Adversarial Nets; the sources of the classes named.

    >>> float(Adversarial("hinge", side="generator")([[1.0]], [[3.0]]))
    -3.0

    Args:
        form: "minimax", "non_saturating", "least_squares", "wasserstein" or "hinge".
        side: "critic" or "generator".

    Raises:
        ValueError: for a form or side that does not exist.
    """

    kinds = ("critic",)
    source = "Goodfellow et al. 2014, Generative Adversarial Nets"
    minimum = None
    search = {"form": Choice(("non_saturating", "wasserstein", "hinge"))}
    variants = (
        {},
        {"form": "wasserstein"},
        {"form": "hinge"},
        {"form": "hinge", "side": "generator"},
        {"form": "minimax", "side": "generator"},
    )

    def __init__(self, form: str = "non_saturating", side: str = "critic", **base: Any) -> None:
        super().__init__(**base)
        if form not in FORMS:
            names = ", ".join(repr(name) for name in FORMS)
            raise ValueError(f"Adversarial: form must be one of {names}, got {form!r}.")
        if side not in SIDES:
            raise ValueError(f"Adversarial: side must be 'critic' or 'generator', got {side!r}.")
        self.form, self.side = form, side

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._game().call(y_true, y_pred)

    def _game(self) -> Loss:
        base = {"dtype": self.dtype}
        if self.form == "least_squares":
            return LeastSquaresGAN(**base)
        if self.form == "wasserstein":
            return WassersteinGAN(**base)
        if self.form == "hinge":
            return HingeGAN(side=self.side, **base)
        saturating = self.form == "minimax" and self.side == "generator"
        return NonSaturatingGAN(saturating=saturating, **base)
