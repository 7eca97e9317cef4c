"""Learning from preferences: a chosen answer against a rejected one, measured by a reference."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.safe_operators import exponential
from lossforge.ranges import Choice, Float

SURROGATES = ("sigmoid", "square", "hinge", "lrml")


class DPO(Loss):
    """Direct preference optimisation: raise the chosen answer's odds against a reference model.

        h = (log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected))
        sigmoid   -log sigmoid(beta h)                                       DPO
        square    (h - 1 / (2 beta))^2                                       IPO
        hinge     max(0, 1 - beta h)                                         SLiC
        lrml      (1 - q) -log sigmoid(beta h) + q exp(-beta h),             DiscoPOP
                  q = sigmoid(beta h / 0.05)

    `label_smoothing` e is the share of pairs that are labelled the wrong way round: the loss is
    (1 - e) l(h) + e l(-h), conservative DPO; with `robust=True`
    ((1 - e) l(h) - e l(-h)) / (1 - 2 e), whose mean over noisy labels is that over clean ones.

    Reads: y_pred: (batch, 2) log-probabilities of the chosen and the rejected answer, summed over
        tokens; y_true: (batch, 2) those of the reference model.
    Returns: (batch,); with `robust` it can be negative.
    Edges: lrml continues above exp(30) by its tangent. IPO takes means over tokens in later
        work: give those, then.
    Source: Rafailov et al. 2023, Direct Preference Optimization, equation 7; Azar et al. 2023
        (IPO), Zhao et al. 2023 (SLiC-HF), Mitchell 2023 (cDPO), Chowdhury et al. 2024 (robust), Lu
        et al. 2024 (DiscoPOP, whose LRML was found by search).

    >>> round(float(DPO()([[-5.0, -5.0]], [[-5.0, -5.0]])), 4)
    0.6931

    Args:
        beta: how far the policy may leave the reference, > 0; 0.1.
        surrogate: "sigmoid", "square", "hinge" or "lrml".
        label_smoothing: share of wrong labels, in [0, 0.5).
        robust: whether the noise is removed instead of mixed in.

    Raises:
        ValueError: for an unknown surrogate, or numbers out of range.
    """

    kinds = ("preference",)
    source = "Rafailov et al. 2023, Direct Preference Optimization"
    minimum = None
    search = {"beta": Float(0.01, 1.0, log=True), "surrogate": Choice(SURROGATES)}
    variants = (
        {},
        {"surrogate": "square"},
        {"surrogate": "hinge"},
        {"surrogate": "lrml", "beta": 0.2},
        {"label_smoothing": 0.1},
        {"label_smoothing": 0.2, "robust": True, "beta": 0.5},
    )

    def __init__(
        self,
        beta: float = 0.1,
        surrogate: str = "sigmoid",
        label_smoothing: float = 0.0,
        robust: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if surrogate not in SURROGATES:
            names = ", ".join(repr(name) for name in SURROGATES)
            raise ValueError(f"DPO: surrogate must be one of {names}, got {surrogate!r}.")
        self.beta = check_range("DPO", "beta", beta, 1e-6)
        self.surrogate = surrogate
        self.label_smoothing = check_range("DPO", "label_smoothing", label_smoothing, 0.0, 0.499)
        self.robust = bool(robust)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        ratio = y_pred - ops.cast(y_true, y_pred.dtype)
        h = ratio[..., 0] - ratio[..., 1]
        e = self.label_smoothing
        if e == 0.0:
            return self._cost(h)
        if self.robust:
            return ((1.0 - e) * self._cost(h) - e * self._cost(-h)) / (1.0 - 2.0 * e)
        return (1.0 - e) * self._cost(h) + e * self._cost(-h)

    def _cost(self, h: Any) -> Any:
        if self.surrogate == "square":
            return ops.square(h - 1.0 / (2.0 * self.beta))
        h = self.beta * h
        if self.surrogate == "hinge":
            return ops.maximum(1.0 - h, 0.0)
        if self.surrogate == "sigmoid":
            return ops.softplus(-h)
        q = ops.sigmoid(h / 0.05)
        positive = ops.maximum(h, 0.0)  # q exp(-h) = exp(log q - h), finite for h below 0 too
        decayed = ops.where(
            h > 0, q * ops.exp(-positive), exponential(-ops.softplus(-h / 0.05) - h)
        )
        return ops.sigmoid(-h / 0.05) * ops.softplus(-h) + decayed


class KTO(Loss):
    """Kahneman-Tversky optimisation: answers that are liked or not, without pairs.

        r = log pi - log ref
        liked       weight_liked (1 - sigmoid(beta (r - z)))
        disliked    weight_disliked (1 - sigmoid(beta (z - r)))

    z is the point from which gains and losses count: the divergence of policy and reference, held
    constant; the paper estimates it from answers to other questions of the batch. 0 is fine when
    the policy starts from the reference.

    Reads: y_pred: (batch, 1) log-probability of the answer; y_true: (batch, 3) 1 if liked, else
        0; the reference's log-probability; z >= 0.
    Returns: (batch,), in [0, weight].
    Edges: flat for answers far from the reference, either way.
    Source: Ethayarajh et al. 2024, KTO: Model Alignment as Prospect Theoretic Optimization,
        equation 8.

    >>> float(KTO()([[1.0, -5.0, 0.0]], [[-5.0]]))
    0.5

    Args:
        beta: how soon gains saturate, > 0; 0.1.
        weight_liked: >= 0; 1.
        weight_disliked: >= 0; 1. Balance the two when one is rarer.
    """

    kinds = ("feedback",)
    source = "Ethayarajh et al. 2024, KTO"
    search = {"beta": Float(0.01, 1.0, log=True)}
    variants = ({}, {"beta": 0.5, "weight_liked": 1.33, "weight_disliked": 0.7})
    minimum = None

    def __init__(
        self,
        beta: float = 0.1,
        weight_liked: float = 1.0,
        weight_disliked: float = 1.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.beta = check_range("KTO", "beta", beta, 1e-6)
        self.weight_liked = check_range("KTO", "weight_liked", weight_liked, 0.0)
        self.weight_disliked = check_range("KTO", "weight_disliked", weight_disliked, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = ops.cast(y_true, y_pred.dtype)
        gain = self.beta * (y_pred[..., 0] - y_true[..., 1] - y_true[..., 2])
        liked = self.weight_liked * ops.sigmoid(-gain)
        return ops.where(y_true[..., 0] > 0, liked, self.weight_disliked * ops.sigmoid(gain))


class BradleyTerry(Loss):
    """A reward model from comparisons: the chosen answer is to earn more than the rejected one.

        loss = -log sigmoid(r_chosen - r_rejected - margin) + centring (r_chosen + r_rejected)^2

    Reads: y_pred: (batch, 2) rewards of the chosen and the rejected answer; y_true: (batch, 1)
        by how much the chosen one is better, 0 where that was not asked.
    Returns: (batch,).
    Source: Bradley and Terry 1952, Rank Analysis of Incomplete Block Designs; Christiano et al.
        2017, Deep Reinforcement Learning from Human Preferences; margin: Touvron et al. 2023,
        Llama 2, equation 2; centring: Eisenstein et al. 2023, Helping or Herding?

    >>> round(float(BradleyTerry()([[0.0]], [[1.0, 1.0]])), 4)
    0.6931

    Args:
        centring: how firmly rewards are kept around 0, >= 0.
    """

    kinds = ("rewards",)
    source = "Bradley and Terry 1952; Christiano et al. 2017, Human Preferences"
    minimum = None
    search = {"centring": Float(1e-4, 0.1, log=True)}
    variants = ({}, {"centring": 0.01})

    def __init__(self, centring: float = 0.0, **base: Any) -> None:
        super().__init__(**base)
        self.centring = check_range("BradleyTerry", "centring", centring, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape):
            y_true = y_true[..., 0]
        chosen, rejected = y_pred[..., 0], y_pred[..., 1]
        gap = chosen - rejected - ops.cast(y_true, y_pred.dtype)
        return ops.softplus(-gap) + self.centring * ops.square(chosen + rejected)
