"""Losses between examples and one proxy a class, from their cosines or distances.

The proxies live in a layer, `lossforge.heads.CosineHead` or `lossforge.heads.Centres`, that the
optimizer trains and the model saves.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.embedding import pairs
from lossforge.losses.embedding.margin_softmax import target_cosine
from lossforge.ranges import Choice, Float


class ProxyNCA(Loss):
    """Nearer to the proxy of one's class than to the others, by squared distance.

        d_j = |x - p_j|^2 = 2 - 2 cos_j
        loss = scale d_y + log sum over j of exp(-scale d_j),   j != y in the paper, all j in "++"

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines (batch, C) with the
        proxies, as from `lossforge.heads.CosineHead`.
    Returns: (batch,); below 0 for a good example where the own proxy is left out.
    Edges: a single class costs 0.
    Source: Movshovitz-Attias et al. 2017, No Fuss Distance Metric Learning using Proxies; Teh et
        al. 2020, ProxyNCA++: Revisiting and Revitalizing Proxy NCA.

    >>> float(ProxyNCA(scale=9.0)([0], [[1.0, -1.0]]))
    0.0

    Args:
        scale: > 0; the papers' 3^2 = 9.
        own_proxy: whether the own proxy is in the sum, as in ProxyNCA++; False is the first paper.
    """

    minimum = None
    kinds = ("cosine_logits",)
    source = "Movshovitz-Attias et al. 2017, No Fuss Distance Metric Learning using Proxies"
    search = {"scale": Float(1.0, 64.0, log=True), "own_proxy": Choice((True, False))}
    variants = ({}, {"own_proxy": False}, {"scale": 1.0})

    def __init__(self, scale: float = 9.0, own_proxy: bool = True, **base: Any) -> None:
        super().__init__(**base)
        self.scale = check_range("ProxyNCA", "scale", scale, 1e-6)
        self.own_proxy = bool(own_proxy)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        logits = 2.0 * self.scale * (cosines - target[:, None])
        if self.own_proxy:
            return ops.logsumexp(logits, axis=-1)
        return pairs.log_sum_exp_where(ops.logical_not(is_target), logits)


class ProxyAnchor(Loss):
    """Every proxy pulls its class and pushes the rest of the batch, the hard ones most.

        loss = mean over classes in the batch of
                   log(1 + sum over their examples of exp(-alpha (s - margin)))
               + mean over all classes of
                   log(1 + sum over other examples of exp(alpha (s + margin)))

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: cosines s (batch, C) with the
        proxies, as from `lossforge.heads.CosineHead`.
    Returns: (batch,): the batch's number, the same for every example.
    Edges: a batch of one works.
    Source: Kim et al. 2020, Proxy Anchor Loss for Deep Metric Learning, equation 4.

    >>> round(float(ProxyAnchor()([0, 1], [[1.0, -1.0], [-1.0, 1.0]])), 4)
    0.0

    Args:
        margin: >= 0; the paper's 0.1.
        alpha: > 0; the paper's 32.
    """

    batch_coupled = True
    kinds = ("cosine_logits",)
    source = "Kim et al. 2020, Proxy Anchor Loss for Deep Metric Learning"
    search = {"margin": Float(0.0, 0.4), "alpha": Float(8.0, 64.0, log=True)}
    variants = ({}, {"margin": 0.3, "alpha": 16.0})

    def __init__(self, margin: float = 0.1, alpha: float = 32.0, **base: Any) -> None:
        super().__init__(**base)
        self.margin = check_range("ProxyAnchor", "margin", margin, 0.0)
        self.alpha = check_range("ProxyAnchor", "alpha", alpha, 1e-6)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        cosines, is_target, target = target_cosine(y_true, y_pred)
        counts = align(counts, target)[:, None]
        s = ops.transpose(cosines)
        own = ops.transpose(ops.logical_and(is_target, counts))
        other = ops.transpose(ops.logical_and(ops.logical_not(is_target), counts))
        pull = _log1p_sum_exp(own, -self.alpha * (s - self.margin))
        push = _log1p_sum_exp(other, self.alpha * (s + self.margin))
        present = ops.cast(pairs.some(own), s.dtype)
        total = ops.sum(pull) / ops.maximum(ops.sum(present), 1.0)
        total = total + ops.sum(push) / cosines.shape[-1]
        return ops.broadcast_to(total, ops.shape(target))


class Centre(Loss):
    """Half the squared distance to the centre of one's class; a companion of cross-entropy.

        loss = 1/2 |x - c_y|^2

    The paper moves centres by a rule of its own; here they are weights of
    `lossforge.heads.Centres`, moved by the gradient, which has the same direction.

    Reads: y_true: class ids (batch,); y_pred: squared distances to all centres (batch, C), as from
        `lossforge.heads.Centres`.
    Returns: (batch,).
    Source: Wen et al. 2016, A Discriminative Feature Learning Approach for Deep Face Recognition,
        equation 2.

    >>> float(Centre()([1], [[4.0, 1.0]]))
    0.5
    """

    kinds = ("class_distances",)
    source = "Wen et al. 2016, A Discriminative Feature Learning Approach for Deep Face Recognition"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        ids = y_true if len(y_true.shape) == 1 else ops.squeeze(y_true, axis=-1)
        columns = ops.cast(ops.arange(y_pred.shape[-1]), ids.dtype)
        mine = ops.equal(columns[None, :], ids[:, None])
        return 0.5 * ops.sum(ops.where(mine, y_pred, 0.0), axis=-1)


def _log1p_sum_exp(mask: Any, x: Any) -> Any:
    return ops.where(pairs.some(mask), ops.softplus(pairs.log_sum_exp_where(mask, x)), 0.0)
