"""Tags of a sequence that depend on their neighbours: a linear-chain conditional random field."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss
from lossforge.losses.classification.ctc import fold


class CRF(Loss):
    """The negative log-likelihood of a sequence of tags, over all sequences of tags.

        score(y) = sum_t e_t[y_t] + sum_t A[y_{t-1}, y_t]
        loss = log sum over all y' of exp score(y') - score(y)

    e are the model's scores of each frame, A[i, j] that of tag j after tag i, which
    `lossforge.heads.Transitions` owns and puts below the frames; the loss is pure. The best tags of
    a sequence are `heads.transitions.best_tags`.

    Reads: y_true: (batch, T) tags, padded at the end by -1; y_pred: (batch, T + K, K), the scores
        of T frames, then A, as from `Transitions`.
    Returns: (batch,), >= 0; a sequence of padding alone costs 0.
    Source: Lafferty, McCallum and Pereira 2001, Conditional Random Fields: Probabilistic Models for
        Segmenting and Labeling Sequence Data.

    >>> frames, after = [[0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]
    >>> round(float(CRF()([[1]], [frames + after])), 4)  # log 2
    0.6931

    Raises:
        ValueError: for predictions without frames above the K rows of A.
    """

    kinds = ("tag_sequence",)
    source = "Lafferty, McCallum and Pereira 2001, Conditional Random Fields"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        frames, after = split_frames("CRF", y_pred)
        present = y_true >= 0
        tags = ops.where(present, ops.cast(y_true, "int32"), 0)
        present = ops.cast(present, y_pred.dtype)
        own = ops.take_along_axis(frames, tags[..., None], axis=-1)[..., 0]
        before = ops.repeat(tags[:, :-1, None], after.shape[-1], axis=-1)
        moves = ops.take_along_axis(after, before, axis=1)
        moves = ops.take_along_axis(moves, tags[:, 1:, None], axis=-1)[..., 0]
        score = ops.sum(present * own, axis=-1) + ops.sum(present[:, 1:] * moves, axis=-1)
        by_time = tuple(ops.swapaxes(x[:, 1:], 0, 1) for x in (frames, present))
        reached, _ = fold(advance, (frames[:, 0], after), by_time)
        return present[:, 0] * (ops.logsumexp(reached, axis=-1) - score)


def advance(states: Any, frame: Any) -> Any:
    """log of the sum over all ways to each tag, one frame on."""
    reached, after = states
    scores, present = frame
    further = ops.logsumexp(reached[:, :, None] + after, axis=1) + scores
    return ops.where(present[:, None] > 0, further, reached), after


def split_frames(loss: str, y_pred: Any) -> tuple[Any, Any]:
    """(scores of frames (batch, T, K), transitions (batch, K, K))."""
    if len(y_pred.shape) != 3 or (y_pred.shape[1] or 1 + y_pred.shape[2]) <= y_pred.shape[2]:
        raise ValueError(
            f"{loss} reads (batch, T + K, K), frames and then transitions, as from Transitions; "
            f"got predictions of shape {tuple(y_pred.shape)}."
        )
    classes = y_pred.shape[-1]
    return y_pred[:, :-classes], y_pred[:, -classes:]
