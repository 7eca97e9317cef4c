"""Statistics of a whole batch as losses: weighted kappa, Matthews correlation, calibration."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.classification import log_probabilities as logp
from lossforge.ranges import Choice, Float


class WeightedKappa(Loss):
    """One minus Cohen's weighted kappa: disagreement of ordered grades beyond chance.

        w_ij = (|i - j| / (C - 1))^power
        loss = N sum_n sum_j w_(t_n j) p_nj / sum_ij w_ij N_i P_j

    N_i counts labels, P_j sums predictions. The value of an example is its part of the sum over n
    times the batch size: their mean is 1 - kappa, and `log=True` takes the logarithm of it.

    Reads: y_true: class ids (batch,) or one-hot (batch, C), classes in order; y_pred: (batch, C)
        probabilities, or logits with `from_logits=True`; a loss over the whole batch.
    Returns: (batch,); with `log` the same number for each example.
    Edges: a batch of one grade predicted as such costs 0 (0 / 0). The statistic of a small batch is
        noisy and not the mean of smaller ones.
    Source: de La Torre et al. 2018, Weighted Kappa Loss Function for Multi-class Classification of
        Ordinal Data in Deep Learning (the logarithm is theirs).

    >>> round(float(WeightedKappa()([0, 1], [[1.0, 0.0], [0.0, 1.0]])), 4)
    0.0

    Args:
        power: 2 for quadratic weights, 1 for linear ones; > 0.
        log: whether to take log(1 - kappa + 1e-6), which pulls harder near agreement.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "de La Torre et al. 2018, Weighted Kappa Loss Function"
    minimum = None
    batch_coupled = True
    search = {"power": Float(0.5, 3.0), "log": Choice((False, True))}
    variants = (
        {},
        {"from_logits": True},
        {"power": 1.0, "from_logits": True},
        {"log": True, "from_logits": True},
    )

    def __init__(
        self,
        power: float = 2.0,
        log: bool = False,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.power = check_range("WeightedKappa", "power", power, 1e-3)
        self.log = bool(log)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        p = ops.exp(logp.log_softmax(y_pred, self.from_logits))
        targets = logp.one_hot_targets(y_true, y_pred)
        valid = ops.cast(ops.reshape(counts, (-1, 1)), p.dtype)
        grades = ops.cast(ops.arange(p.shape[-1]), p.dtype)
        apart = ops.abs(grades[:, None] - grades) / max(p.shape[-1] - 1, 1)
        weight = apart**self.power
        observed = ops.sum(ops.matmul(targets, weight) * p, axis=-1)
        by_label = ops.matmul(ops.sum(valid * targets, axis=0)[None], weight)[0]
        expected = ops.sum(by_label * ops.sum(valid * p, axis=0))
        number = ops.sum(valid)
        chance = ops.where(expected > 1e-20, expected, 1.0)
        if not self.log:
            return number * number * observed / chance
        ratio = number * ops.sum(valid[:, 0] * observed) / chance
        return ops.log(ratio + 1e-6) + ops.zeros_like(observed)


class MCC(Loss):
    """One minus the Matthews correlation of a batch: all four kinds of outcome count.

        multiclass            1 - cov(y, p) / sqrt(cov(y, y) cov(p, p)),
                              cov(a, b) = N sum_n sum_c a_nc b_nc - sum_c A_c B_c,  A = sum_n a_n
        binary, multilabel    the mean over classes of 1 - (tp tn - fp fn) / sqrt((tp + fp)
                              (tp + fn) (tn + fp) (tn + fn)),   soft counts over the batch

    Reads: y_pred: (batch, C) probabilities, or logits with `from_logits=True`; C = 1 is binary.
        y_true: class ids (batch,), or one-hot or multi-hot (batch, C); a loss over the batch.
    Returns: (batch,), the same number for each example, in [0, 2].
    Edges: no correlation exists when all labels or all predictions are alike: that costs 1.
        Variances count as 1e-6 or more, which bounds the slope there.
    Source: Abhishek & Hamarneh 2021, Matthews Correlation Coefficient Loss for Deep Convolutional
        Networks; multiclass: Gorodkin 2004, Comparing Two K-category Assignments.

    >>> round(float(MCC()([[1.0], [0.0]], [[1.0], [0.0]])), 4)
    0.0

    Args:
        task: "binary", "multiclass" or "multilabel". None: binary for one output, else multiclass.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass", "binary", "multilabel")
    source = "Abhishek & Hamarneh 2021, Matthews Correlation Coefficient Loss"
    minimum = None
    batch_coupled = True
    variants = ({}, {"from_logits": True})

    def __init__(self, task: str | None = None, from_logits: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.task = logp.check_task("MCC", task)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        valid = ops.cast(ops.reshape(counts, (-1, 1)), y_pred.dtype)
        number = ops.maximum(ops.sum(valid), 1.0)
        if logp.task_of(self.task, y_pred) == "multiclass":
            p = valid * ops.exp(logp.log_softmax(y_pred, self.from_logits))
            y = valid * logp.one_hot_targets(y_true, y_pred)
            over = lambda v: ops.sum(v)  # noqa: E731
        else:
            p = valid * ops.exp(logp.log_sigmoid(y_pred, self.from_logits)[0])
            y = valid * logp.binary_targets(y_true, y_pred)
            over = lambda v: ops.sum(v, axis=0)  # noqa: E731
        mean_p, mean_y = (ops.sum(v, axis=0) / number for v in (p, y))
        p, y = p - valid * mean_p, y - valid * mean_y
        if logp.task_of(self.task, y_pred) == "multiclass":
            same = over(p * p) / number  # covariances of soft counts, as Gorodkin's
            spread_p, spread_y = same, over(y * y) / number
        else:  # a soft count is tp + fp = sum p, whatever its variance
            spread_p, spread_y = mean_p * (1.0 - mean_p), mean_y * (1.0 - mean_y)
        product = ops.maximum(spread_p, 1e-6) * ops.maximum(spread_y, 1e-6)
        correlation = over(p * y) / number / ops.sqrt(product)
        loss = 1.0 - correlation
        loss = loss if len(loss.shape) == 0 else ops.sum(loss) / loss.shape[0]
        return loss + ops.zeros_like(y_pred[:, 0])


class MMCE(Loss):
    """Cross-entropy plus a kernel measure of miscalibration within the batch.

        r = max_c p_c,   a = 1 where the largest p is the label's, else 0
        mmce^2 = sum_ij (a_i - r_i) (a_j - r_j) exp(-|r_i - r_j| / width) / N^2
        loss = -log p_t + weight mmce

    Reads: y_true: class ids (batch,) or one-hot (batch, C); y_pred: (batch, C) probabilities, or
        logits with `from_logits=True`; a loss over the whole batch.
    Returns: (batch,).
    Edges: a batch without miscalibration has slope 0 in the second term.
    Source: Kumar et al. 2018, Trainable Calibration Measures for Neural Networks from Kernel Mean
        Embeddings, equation 5.

    >>> float(MMCE()([0], [[1.0, 0.0]]))
    0.0

    Args:
        weight: of the measure, >= 0; the paper's 2 to 8.
        width: of the Laplacian kernel, > 0; the paper's 0.4.
        from_logits: whether predictions are logits.
    """

    kinds = ("multiclass",)
    source = "Kumar et al. 2018, Trainable Calibration Measures for Neural Networks"
    batch_coupled = True
    memory = "O(B^2)"
    search = {"weight": Float(0.1, 10.0, log=True)}
    variants = ({}, {"from_logits": True}, {"from_logits": True, "weight": 0.5, "width": 0.2})

    def __init__(
        self,
        weight: float = 2.0,
        width: float = 0.4,
        from_logits: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.weight = check_range("MMCE", "weight", weight, 0.0)
        self.width = check_range("MMCE", "width", width, 1e-3)
        self.from_logits = bool(from_logits)

    def call_valid(self, y_true: Any, y_pred: Any, counts: Any) -> Any:
        valid = ops.cast(ops.reshape(counts, (-1,)), y_pred.dtype)
        targets = logp.one_hot_targets(y_true, y_pred)
        log_p = logp.log_softmax(y_pred, self.from_logits)
        confidence = ops.exp(ops.max(log_p, axis=-1))
        right = ops.argmax(log_p, axis=-1) == ops.argmax(targets, axis=-1)
        gap = valid * (ops.cast(right, confidence.dtype) - confidence)
        kernel = ops.exp(-ops.abs(confidence[:, None] - confidence) / self.width)
        square = ops.sum(gap * ops.sum(kernel * gap, axis=-1))
        square = square / ops.maximum(ops.square(ops.sum(valid)), 1.0)
        calibrated = square <= 1e-12
        mmce = ops.where(calibrated, 0.0, ops.sqrt(ops.where(calibrated, 1.0, square)))
        return self.weight * mmce - ops.sum(targets * log_p, axis=-1)
