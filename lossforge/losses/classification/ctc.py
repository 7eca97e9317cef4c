"""Connectionist temporal classification: label sequences without an alignment to frames."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lossforge.losses.base import Loss, _combine, align
from lossforge.losses.classification import log_probabilities as logp

IMPOSSIBLE = -1e30


class CTC(Loss):
    """The probability that frames spell a label sequence, over all ways to align the two.

        loss = -log sum_paths prod_t p_t(path_t)

    over the paths of one class a frame that give the labels once repetitions and then blanks are
    dropped; by the forward recursion in log space, as one scan over frames.

    Reads: y_true: (batch, L) class ids, padded at the end by negative numbers or by `blank`;
        y_pred: (batch, T, C) probabilities, or logits with `from_logits=True`. A mask of shape
        (batch, T) on the predictions says which frames exist, so that T may be padding too.
    Returns: (batch,).
    Edges: labels that do not fit into their frames (a repeated label needs a blank between) have
        no path: such an example does not count, in value, gradient or mean. An empty label
        sequence is allowed: all frames are blank.
    Source: Graves et al. 2006, Connectionist Temporal Classification, equations 5 to 8.

    >>> round(float(CTC()([[1]], [[[0.5, 0.5], [0.5, 0.5]]])), 4)
    0.2877

    Args:
        blank: id of the class that stands for no label; negative ones count from the end.
        from_logits: whether predictions are logits.
    """

    kinds = ("label_sequence",)
    source = "Graves et al. 2006, Connectionist Temporal Classification"
    memory = "O(B T (C + L))"
    variants = ({}, {"from_logits": True, "blank": -4})

    def __init__(self, blank: int = 0, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(blank, int):
            raise ValueError(f"CTC: blank must be the id of a class, got {blank!r}.")
        self.blank = blank
        self.from_logits = bool(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        frames = ops.ones(ops.shape(y_pred)[:2], dtype="bool")
        possible = self._possible(y_true, y_pred, frames)
        return ops.where(possible, self._score(y_true, y_pred, frames), 0.0)

    def weighted_values(self, y_true, y_pred, sample_weight=None, mask=None):
        weight, mask = self._weight(sample_weight, mask)
        frames = ops.ones(ops.shape(y_pred)[:2], dtype="bool")
        if mask is not None and len(mask.shape) == 2 and mask.shape[1] == y_pred.shape[1]:
            frames, mask = mask, None
            y_pred = ops.where(frames[..., None], y_pred, 0.5)
        possible = self._possible(y_true, y_pred, frames)
        counts = possible if mask is None else ops.logical_and(align(mask, possible), possible)
        y_true, y_pred = self._without(_combine(weight, counts), y_true, y_pred)
        values = self._score(y_true, y_pred, frames)
        return self.apply_weight(values, weight, counts)

    def _labels(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, int]:
        """Ids with padding replaced, which of them are labels, and the id of the blank."""
        blank = self.blank + (y_pred.shape[-1] if self.blank < 0 else 0)
        if not 0 <= blank < y_pred.shape[-1]:
            raise ValueError(
                f"CTC: blank is {self.blank}, but the predictions have {y_pred.shape[-1]} classes."
            )
        ids = ops.cast(y_true, "int32")
        present = ops.logical_and(ids >= 0, ids != blank)
        return ops.where(present, ids, blank), present, blank

    def _possible(self, y_true: Any, y_pred: Any, frames: Any) -> Any:
        ids, present, _ = self._labels(y_true, y_pred)
        repeated = ops.logical_and(ids[:, 1:] == ids[:, :-1], present[:, 1:])
        needed = _count(present) + _count(repeated)
        return needed <= _count(frames)

    def _score(self, y_true: Any, y_pred: Any, frames: Any) -> Any:
        ids, present, blank = self._labels(y_true, y_pred)
        log_p = logp.log_softmax(y_pred, self.from_logits)
        steps, length = y_pred.shape[1], ids.shape[1]
        per_frame = ops.tile(ids[:, None], (1, steps, 1))
        spoken = ops.take_along_axis(log_p, per_frame, axis=-1)
        silent = log_p[..., blank]
        # after k labels: in the blank that follows them, or in the k-th label itself
        after = ops.zeros_like(silent[:, :1])
        never = ops.full_like(spoken[:, 0], IMPOSSIBLE)
        before = ops.pad(ids[:, :-1], ((0, 0), (1, 0)), constant_values=-1)[:, :length]
        skip = ops.cast(ops.where(ids == before, IMPOSSIBLE, 0.0), never.dtype)
        start = (ops.concatenate([after, never], axis=1), never, skip)
        by_time = [ops.swapaxes(x, 0, 1) for x in (spoken, silent, frames)]
        blanks, labels, _ = fold(advance, start, tuple(by_time))
        labels = ops.concatenate([never[:, :1], labels], axis=1)
        last = _count(present)[:, None]
        end = log_add(*(ops.take_along_axis(x, last, axis=1) for x in (blanks, labels)))
        return -ops.squeeze(end, axis=1)


def advance(states: Any, frame: Any) -> Any:
    """One frame on; a function of the module, so that JAX compiles it once, not at every call."""
    blanks, labels, skip = states
    spoken, silent, exists = frame
    never = ops.full_like(labels[:, :1], IMPOSSIBLE)
    ended = ops.concatenate([never, labels], axis=1)
    new_blanks = silent[:, None] + log_add(blanks, ended)
    new_labels = spoken + log_add(labels, blanks[:, :-1], ended[:, :-1] + skip)
    exists = exists[:, None]
    states = ops.where(exists, new_blanks, blanks), ops.where(exists, new_labels, labels), skip
    return states


def fold(step: Callable[[Any, Any], Any], states: Any, frames: Any) -> Any:
    """The last states. Keras's own scan has no gradient under XLA on TensorFlow."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.foldl(step, frames, initializer=states)
    return ops.scan(carried(step), states, frames)[0]


@functools.cache
def carried(step: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda states, frame: (step(states, frame), None)


def log_add(*terms: Any) -> Any:
    """log of the sum of exp, with the right gradient also where terms are equal."""
    highest = terms[0]
    for term in terms[1:]:
        highest = ops.maximum(highest, term)
    highest = ops.stop_gradient(highest)
    return highest + ops.log(sum(ops.exp(term - highest) for term in terms))


def _count(x: Any) -> Any:
    """How many are true along the second axis."""
    return ops.sum(ops.cast(x, "int32"), axis=1)
