"""Several predictions of one example: two networks that warn each other of wrong labels, or the
predictions of several augmented views that should agree."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.losses.easy_examples import smallest
from lossforge.ranges import Float

NEVER = -1e30


class CoTeaching(Loss):
    """Each of two networks learns from the examples that the other finds easy.

        loss_i = (easy2_i ce1_i + easy1_i ce2_i) N / kept
        easy_i: among the ceil(keep N) smallest cross-entropies of that network in the batch

    so that the batch's mean is the sum of both networks' means over what they learn from. The
    choice has no gradient. Lower `keep` from 1 to one minus the share of wrong labels in the first
    epochs.

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, 2, C), probabilities of
        both networks, or logits with `from_logits=True`.
    Returns: (batch,), a loss over the whole batch.
    Source: Han et al. 2018, Co-teaching: Robust Training of Deep Neural Networks with Extremely
        Noisy Labels, algorithm 1.

    >>> round(float(CoTeaching()([0], [[[0.5, 0.5], [1.0, 0.0]]])), 4)  # log 2
    0.6931

    Args:
        keep: share of examples to learn from, in (0, 1].
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a share out of range.
    """

    kinds = ("two_networks",)
    source = "Han et al. 2018, Co-teaching"
    batch_coupled = True
    search = {"keep": Float(0.5, 1.0)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "keep": 1.0}, {"keep": 0.3})

    def __init__(self, keep: float = 0.8, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.keep = check_range("CoTeaching", "keep", keep, 1e-6, 1.0)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        first, second = cross_entropies(y_true, y_pred, self.from_logits)
        counts = ops.broadcast_to(align(counts, first), ops.shape(first))
        easy_for_second = smallest(second, counts, self.keep)
        return first * easy_for_second + second * smallest(first, counts, self.keep)


class JoCoR(Loss):
    """Two networks that should agree, trained together on what they find easy together.

        l_i    = (1 - agreement) (ce1_i + ce2_i) + agreement (KL(p1 | p2) + KL(p2 | p1))
        loss_i = l_i N / kept where l_i is among the ceil(keep N) smallest of the batch, else 0

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, 2, C), probabilities of
        both networks, or logits with `from_logits=True`.
    Returns: (batch,), a loss over the whole batch.
    Source: Wei et al. 2020, Combating Noisy Labels by Agreement: A Joint Training Method with
        Co-Regularization, equations 1 to 5.

    >>> round(float(JoCoR(agreement=0.5)([0], [[[0.5, 0.5], [0.5, 0.5]]])), 4)  # log 2
    0.6931

    Args:
        agreement: weight of agreement against the labels, in [0, 1]; the paper's lambda.
        keep: share of examples to learn from, in (0, 1].
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("two_networks",)
    source = "Wei et al. 2020, Combating Noisy Labels by Agreement"
    batch_coupled = True
    search = {"agreement": Float(0.1, 0.9), "keep": Float(0.5, 1.0)}
    variants = (
        {},
        {"from_logits": True},
        {"from_logits": True, "keep": 1.0, "agreement": 0.2},
        {"keep": 0.3},
    )

    def __init__(
        self,
        agreement: float = 0.65,
        keep: float = 0.8,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.agreement = check_range("JoCoR", "agreement", agreement, 0.0, 1.0)
        self.keep = check_range("JoCoR", "keep", keep, 1e-6, 1.0)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        first, second = cross_entropies(y_true, y_pred, self.from_logits)
        log_p = logp.log_softmax(y_pred, self.from_logits)
        gap = log_p[:, 0] - log_p[:, 1]
        p = ops.exp(log_p)
        apart = ops.sum((p[:, 0] - p[:, 1]) * gap, axis=-1)  # both directions of KL at once
        joint = (1.0 - self.agreement) * (first + second) + self.agreement * apart
        counts = ops.broadcast_to(align(counts, joint), ops.shape(joint))
        return joint * smallest(joint, counts, self.keep)


class GeneralisedJensenShannon(Loss):
    """Distance of the label and the predictions of several views to their common mean.

        m    = share y + (1 - share) mean_v p_v
        loss = (share KL(y | m) + (1 - share) mean_v KL(p_v | m)) / Z
        Z    = -(1 - share) log(1 - share)

    Forgives wrong labels and asks the views to agree. With one view it is the Jensen-Shannon loss:
    share -> 0 gives cross-entropy, share -> 1 absolute error.

    Reads: y_true: class ids (batch,), one-hot or soft labels (batch, C); y_pred: (batch, V, C)
        probabilities of V views of each example, or (batch, C) of one; or logits with
        `from_logits=True`.
    Returns: (batch,).
    Source: Englesson and Azizpour 2021, Generalized Jensen-Shannon Divergence Loss for Learning
        with Noisy Labels, equations 3 to 5.

    >>> round(float(GeneralisedJensenShannon(share=0.5)([0], [[0.0, 1.0]])), 4)  # at its most
    2.0

    Args:
        share: of the label in the mean, in [0.001, 0.999]; the paper's pi_1.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: for a share out of range.
    """

    kinds = ("multiclass", "two_networks")
    source = "Englesson and Azizpour 2021, Generalized Jensen-Shannon Divergence Loss"
    search = {"share": Float(0.1, 0.9)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "share": 0.1}, {"share": 0.9})

    def __init__(self, share: float = 0.5, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.share = check_range("GeneralisedJensenShannon", "share", share, 1e-3, 1.0 - 1e-3)
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = y_pred[:, None] if len(y_pred.shape) == 2 else y_pred
        log_p = logp.log_softmax(y_pred, self.from_logits)
        targets = logp.one_hot_targets(y_true, y_pred[:, 0])
        labelled = targets > 0
        log_y = ops.log(ops.where(labelled, targets, 1.0))
        rest = 1.0 - self.share
        log_mean = ops.logsumexp(log_p, axis=1) - math.log(y_pred.shape[1])
        of_label = ops.where(labelled, log_y + math.log(self.share), NEVER)
        of_views = log_mean + math.log(rest)
        log_m = ops.logsumexp(ops.stack([of_label, of_views]), axis=0)
        from_label = ops.sum(targets * (log_y - log_m), axis=-1)
        gaps = ops.exp(log_p) * (log_p - log_m[:, None])
        from_views = ops.sum(gaps, axis=(1, 2)) / y_pred.shape[1]
        return (self.share * from_label + rest * from_views) / (-rest * math.log(rest))


def cross_entropies(y_true: Any, y_pred: Any, from_logits: bool) -> tuple[Any, Any]:
    """(batch,) of each of two networks."""
    if len(y_pred.shape) != 3 or y_pred.shape[1] != 2:
        raise ValueError(
            "Losses of two networks read (batch, 2, C): stack both outputs along axis 1; got "
            f"predictions of shape {tuple(y_pred.shape)}."
        )
    log_p = logp.log_softmax(y_pred, from_logits)
    targets = logp.one_hot_targets(y_true, y_pred[:, 0])
    values = -ops.sum(targets[:, None] * log_p, axis=-1)
    return values[:, 0], values[:, 1]
