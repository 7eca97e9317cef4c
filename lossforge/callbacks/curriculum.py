"""Easy examples first, by the model's own judgement."""

from __future__ import annotations

from lossforge.callbacks.anneal import Anneal
from lossforge.errors import UsageError
from lossforge.schedules import exponential, linear


class Curriculum(Anneal):
    """Self-paced learning: lets harder examples in, step by step.

        example i counts at a step where its loss is at most the threshold, which grows by a
        constant factor a step (Kumar et al.: v_i = 1 where l_i < 1 / K, and K shrinks by a factor)

    or, with `by="share"`, where it is among the easiest share of the batch, which grows linearly: a
    threshold that knows the size of the losses. The loss, or the term, is an `EasyExamples`; what
    is easy is what the model at hand has a small loss on. When no example of a batch is easy
    enough, the step learns nothing from that term.

    >>> Curriculum(start=0.5, end=8.0, steps=4, term="classes", by="threshold").schedule(2)
    2.0
    >>> import keras, lossforge
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", loss=lossforge.EasyExamples(lossforge.MSE(), keep=0.5))
    >>> x = keras.ops.ones((8, 2))
    >>> curriculum = Curriculum(start=0.5, end=1.0, steps=2)
    >>> history = model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[curriculum])
    >>> history.history["parameters/keep"]
    [0.75]

    Source: Kumar, Packer and Koller 2010, Self-Paced Learning for Latent Variable Models,
        algorithm 1; shares as in Jiang et al. 2015, Self-Paced Curriculum Learning.

    Args:
        start: share, or threshold, at first.
        end: share, or threshold, after `steps`; at least `start`. A share of 1 is every example.
        steps: of the optimizer.
        term: path of the term that is an `EasyExamples`; None where it is the model's loss.
        by: `"share"` or `"threshold"`; for the latter make it `EasyExamples(..., threshold=start)`
            with `keep=1.0`.

    Raises:
        UsageError: for numbers that fall or are out of range, or another `by`; when training
            starts, for a term that is no `EasyExamples`.
    """

    def __init__(
        self,
        start: float = 0.5,
        end: float = 1.0,
        steps: int = 1000,
        term: str | None = None,
        by: str = "share",
    ) -> None:
        if by not in ("share", "threshold"):
            raise UsageError(f"Curriculum: by is 'share' or 'threshold', got {by!r}.")
        if not 0.0 < start <= end or (by == "share" and end > 1.0):
            bound = " <= 1" if by == "share" else ""
            raise UsageError(
                f"Curriculum: needs 0 < start <= end{bound}, got {start!r} and {end!r}."
            )
        parameter = "keep" if by == "share" else "threshold"
        schedule = linear if by == "share" else exponential
        target = f"{term}.{parameter}" if term else parameter
        super().__init__(target, schedule(start, end, steps))
