"""One view predicts the other, or the cluster of the other: no negatives."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, align, check_range
from lossforge.losses.embedding.distances import unit
from lossforge.ranges import Choice, Float


class BYOL(Loss):
    """The prediction of one view must point where the target of the other does.

        loss_i = 2 - 2 cos(x_i, y_i)        in [0, 4]

    SimSiam's -cos is half of it, minus 1. No gradient flows into the target, which is what keeps
    embeddings from becoming all equal.

    Reads: y_true: (batch, ..., D) the target, from the slow network (BYOL) or the same one
        (SimSiam); y_pred: (batch, ..., D) the predictor's output for the other view.
    Returns: (batch, ...). For both directions, add the loss with views exchanged.
    Edges: the zero vector has cosine 0 with all, and gradient 0.
    Source: Grill et al. 2020, Bootstrap Your Own Latent, equation 2; Chen and He 2021, Exploring
        Simple Siamese Representation Learning, equation 1.

    >>> float(BYOL()([[1.0, 0.0]], [[0.0, 2.0]]))
    2.0
    """

    kinds = ("views",)
    source = "Grill et al. 2020, Bootstrap Your Own Latent"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = unit(ops.stop_gradient(ops.cast(y_true, y_pred.dtype)))
        return ops.sum(ops.square(target - unit(y_pred)), axis=-1) + self._missing(target, y_pred)

    def _missing(self, target: Any, y_pred: Any) -> Any:
        """What |u - v|^2 lacks to 2 - 2 u v where u or v is the zero vector."""
        lengths = (ops.sum(ops.square(unit(x)), axis=-1) for x in (target, y_pred))
        return ops.stop_gradient(sum(ops.where(n <= 0.0, 1.0, 0.0 * n) for n in lengths))


class SwAV(Loss):
    """Views predict each other's cluster, where clusters are filled equally within the batch.

        p = softmax(scores / T),    q = Sinkhorn(scores / epsilon), without gradient
        loss_i = mean of  -sum_k q_k(x_i) log p_k(y_i)  and the same with x and y exchanged

    Sinkhorn's iterations scale exp(scores / epsilon) in turn so that each cluster has the same
    share of the batch and each example is one; they run in logarithms, for any epsilon.

    Reads: y_true, y_pred: (batch, K), scores of two views: cosines to K prototypes.
    Returns: (batch,).
    Edges: needs a batch of about K or more to fill clusters; keep a queue of scores if it is less.
    Source: Caron et al. 2020, Unsupervised Learning of Visual Features by Contrasting Cluster
        Assignments, equations 2 to 5.

    >>> round(float(SwAV()([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])), 4)
    0.0

    Args:
        temperature: T > 0.
        epsilon: > 0; the smaller, the harder the assignment.
        iterations: 1 or more.

    Raises:
        ValueError: for numbers out of range.
    """

    batch_coupled = True
    detached = True
    kinds = ("teacher",)
    source = "Caron et al. 2020, Unsupervised Learning of Visual Features by Contrasting Clusters"
    minimum = None
    search = {"temperature": Float(0.05, 0.5, log=True), "epsilon": Float(0.01, 0.2, log=True)}
    variants = ({}, {"temperature": 1.0, "epsilon": 2.0, "iterations": 5})

    def __init__(
        self, temperature: float = 0.1, epsilon: float = 0.05, iterations: int = 3, **base: Any
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("SwAV", "temperature", temperature, 1e-4)
        self.epsilon = check_range("SwAV", "epsilon", epsilon, 1e-4)
        self.iterations = int(check_range("SwAV", "iterations", iterations, 1))

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        views = (ops.cast(y_true, y_pred.dtype), y_pred)
        codes = [sinkhorn(v / self.epsilon, counts, self.iterations) for v in views]
        predicted = [ops.log_softmax(v / self.temperature) for v in views]
        values = codes[0] * predicted[1] + codes[1] * predicted[0]
        return -0.5 * ops.sum(values, axis=-1)


class DINO(Loss):
    """The student's cluster of one view must be the teacher's of another.

        loss_i = -sum_k q_k(x_i) log p_k(y_i),    p = softmax(y / T),    q without gradient
        centring None          q = softmax(x / T')
                 "mean"        q = softmax((x - mean over the batch) / T')
                 "sinkhorn"    q = Sinkhorn(x / T'), three iterations (as in DINOv2)

    The paper's centre is a running mean, a state: subtract it in the teacher's head and take
    `centring=None`. For many crops, call the loss on each pair of crops of different views.

    Reads: y_true: (batch, K) logits of the teacher, sharper and slower; y_pred: (batch, K) of the
        student.
    Returns: (batch,).
    Edges: without any centring one cluster can take all examples.
    Source: Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers, equation
        2 and algorithm 1; on the tokens of masked patches: iBOT, Zhou et al. 2022.

    >>> round(float(DINO(centring=None)([[0.0, 9.0]], [[9.0, 0.0]])), 4)
    90.0

    Args:
        temperature: the student's T > 0.
        teacher_temperature: the teacher's T' > 0, below T.
        centring: "mean", "sinkhorn" or None.

    Raises:
        ValueError: for numbers out of range or a centring that does not exist.
    """

    batch_coupled = True
    kinds = ("teacher",)
    source = "Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers"
    minimum = None
    search = {
        "temperature": Float(0.05, 0.5, log=True),
        "teacher_temperature": Float(0.02, 0.1, log=True),
        "centring": Choice(("mean", "sinkhorn")),
    }
    variants = (
        {},
        {"centring": "sinkhorn", "teacher_temperature": 1.0},
        {"centring": None, "temperature": 0.5},
    )

    def __init__(
        self,
        temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        centring: str | None = "mean",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.temperature = check_range("DINO", "temperature", temperature, 1e-4)
        low = check_range("DINO", "teacher_temperature", teacher_temperature, 1e-4)
        self.teacher_temperature = low
        if centring not in ("mean", "sinkhorn", None):
            raise ValueError(
                f"DINO: centring must be 'mean', 'sinkhorn' or None, got {centring!r}."
            )
        self.centring = centring

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        target = self._target_of(ops.stop_gradient(ops.cast(y_true, y_pred.dtype)), counts)
        return -ops.sum(target * ops.log_softmax(y_pred / self.temperature), axis=-1)

    def _target_of(self, teacher: Any, counts: Any) -> Any:
        if self.centring == "sinkhorn":
            return sinkhorn(teacher / self.teacher_temperature, counts, 3)
        if self.centring == "mean":
            weight = ops.cast(align(counts, teacher), teacher.dtype)
            number = ops.maximum(ops.sum(weight), 1.0)
            teacher = teacher - ops.sum(weight * teacher, axis=0) / number
        return ops.softmax(teacher / self.teacher_temperature)


def sinkhorn(scores: Any, counts: Any, iterations: int) -> Any:
    """(B, K) rows that sum to 1, columns that sum to about B / K; without gradient.

    Rows that do not count are in no column's sum.
    """
    log_q = ops.stop_gradient(scores)
    rows = align(counts, log_q)
    examples = ops.maximum(ops.sum(ops.cast(counts, log_q.dtype)), 1.0)
    log_share = ops.log(examples / log_q.shape[-1])
    for _ in range(iterations):
        counted = ops.where(rows, log_q, -1e30)
        log_q = log_q + log_share - ops.logsumexp(counted, axis=0, keepdims=True)
        log_q = ops.log_softmax(log_q)
    return ops.stop_gradient(ops.exp(log_q))
