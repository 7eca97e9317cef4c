"""Two views agree, and the spectrum of the embeddings of a batch stays wide: no collapse."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.contrastive import views
from lossforge.losses.contrastive.views import TwoViews
from lossforge.losses.embedding.cholesky import cholesky, half_log_det
from lossforge.losses.embedding.distances import unit
from lossforge.ranges import Float


class MMCR(TwoViews):
    """The means of the views of each example spread as far as they can.

        c_i = (x_i + y_i) / 2,    loss = -(sum of the singular values of the matrix of all c_i)

    with views of length 1, for every example. A mean is long only where its views agree, and the
    sum is largest where the means have no direction in common.

    Reads: y_true, y_pred: (batch, D), the two views, brought to length 1 here.
    Returns: (batch,), equal for all; at least minus the number of examples.
    Edges: directions with a singular value below 1e-6 of the largest have no gradient. One
        singular value decomposition a step.
    Source: Yerxa et al. 2023, Learning Efficient Coding of Natural Images with Maximum Manifold
        Capacity Representations, equation 5 (without the term whose weight is 0 there).

    >>> x = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(float(MMCR()(x, x)), 4)
    -2.0
    """

    kinds = ("views",)
    source = "Yerxa et al. 2023, Maximum Manifold Capacity Representations"
    minimum = None

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        centres = 0.5 * (unit(x) + unit(y)) * ops.cast(counts, y.dtype)[:, None]
        singular = ops.svd(centres, full_matrices=False, compute_uv=False)
        small = singular <= 1e-6 * ops.stop_gradient(ops.max(singular))
        return views.for_all(-ops.sum(ops.where(small, 0.0, singular)), counts)


class FroSSL(TwoViews):
    """Views agree, and the covariance of each has as many equal directions as it can.

        K_v = Z_v^T Z_v / N,    loss_i = invariance |x_i - y_i|^2 + log |K_x|^2 + log |K_y|^2

    with rows of length 1, so that the trace of K is 1, and |K| the Frobenius norm. minus log |K|^2
    is the entropy of order 2 of its eigenvalues: of largest value where these are all equal.

    Reads: y_true, y_pred: (batch, D), the two views, brought to length 1 here.
    Returns: (batch,).
    Edges: where D is larger than the batch no D x D matrix is made.
    Source: Skean et al. 2024, FroSSL: Frobenius Norm Minimization for Efficient Multiview
        Self-Supervised Learning, equation 4.

    >>> x = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(float(FroSSL()(x, x)), 4)  # 2 log(1 / 2)
    -1.3863

    Args:
        invariance: weight >= 0.

    Raises:
        ValueError: for a negative weight.
    """

    kinds = ("views",)
    source = "Skean et al. 2024, FroSSL: Frobenius Norm Minimization"
    minimum = None
    memory = "O(min(B, D)^2)"
    search = {"invariance": Float(0.1, 10.0, log=True)}
    variants = ({}, {"invariance": 0.3})

    def __init__(self, invariance: float = 1.0, **base: Any) -> None:
        super().__init__(**base)
        self.invariance = check_range("FroSSL", "invariance", invariance, 0.0)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        x, y = unit(x), unit(y)
        entropy = 0.0
        for view in (x, y):
            view = view * ops.cast(counts, y.dtype)[:, None]
            squared = views.sum_of_squared_products(view, view)
            squared = squared / ops.square(views.number_of(counts, y))
            entropy = entropy - ops.log(ops.maximum(squared, 1e-12))
        return self.invariance * ops.sum(ops.square(x - y), axis=-1) - entropy


class WMSE(TwoViews):
    """Both views are whitened over the batch, and then agree.

        w(v): v centred and multiplied so that its covariance over the batch is the identity
        loss_i = 2 - 2 cos(w(x)_i, w(y)_i)

    A batch whose embeddings have collapsed can't be white, so no negatives are needed. The factor
    is Cholesky's, with the covariance scaled to a mean variance of 1 and mixed with `epsilon` of
    the identity, so that batches smaller than D work too.

    Reads: y_true, y_pred: (batch, D), the two views. Batches of several times D are best.
    Returns: (batch,) in [0, 4].
    Edges: a batch that is all alike has nothing to whiten and costs 2.
    Source: Ermolov et al. 2021, Whitening for Self-Supervised Representation Learning, equations 3
        to 6; the whole batch is whitened at once.

    >>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> abs(round(float(WMSE()(x, x)), 4))
    0.0

    Args:
        epsilon: share of the identity, in (0, 1).

    Raises:
        ValueError: for a share out of range.
    """

    kinds = ("views",)
    source = "Ermolov et al. 2021, Whitening for Self-Supervised Representation Learning"
    minimum = 0.0
    memory = "O(B D + D^2)"
    search = {"epsilon": Float(1e-4, 1e-1, log=True)}
    variants = ({"epsilon": 0.1}, {})  # few examples in many dimensions round less by the first

    def __init__(self, epsilon: float = 1e-3, **base: Any) -> None:
        super().__init__(**base)
        self.epsilon = check_range("WMSE", "epsilon", epsilon, 1e-5, 1.0 - 1e-5)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        agreement = ops.sum(unit(self._white(x, counts)) * unit(self._white(y, counts)), axis=-1)
        return 2.0 - 2.0 * agreement

    def _white(self, x: Any, counts: Any) -> Any:
        """Of equal length but for the scale, which the cosine does not see."""
        x, dimensions = views.centred(x, counts), x.shape[-1]
        size = ops.stop_gradient(ops.max(ops.abs(x)))
        x = x / ops.where(size > 0.0, size, 1.0)
        total = ops.sum(ops.square(x))
        covariance = ops.matmul(ops.transpose(x), x) * (
            dimensions / ops.where(total > 0, total, 1.0)
        )
        identity = ops.eye(dimensions, dtype=x.dtype)
        factor = cholesky((1.0 - self.epsilon) * covariance + self.epsilon * identity)
        return ops.transpose(ops.solve_triangular(factor, ops.transpose(x), lower=True))


class CodingRate(TwoViews):
    """Views agree, and coding the embeddings of a batch takes as many bits as it can.

        R(Z) = 1/2 log det(I + D / (N distortion) Z^T Z)
        loss_i = invariance (1 - cos(x_i, y_i)) - the mean of R over both views

    on rows of length 1. R is the total coding rate, up to a distortion. With many small views an
    example the paper learns in one epoch (EMP-SSL).

    Reads: y_true, y_pred: (batch, D), the two views, brought to length 1 here.
    Returns: (batch,).
    Edges: where D is larger than the batch no D x D matrix is made.
    Source: Tong et al. 2023, EMP-SSL: Towards Self-Supervised Learning in One Training Epoch,
        equations 3 and 5; Yu et al. 2020, Learning Diverse and Discriminative Representations via
        the Principle of Maximal Coding Rate Reduction.

    >>> x = [[1.0, 0.0], [0.0, 1.0]]
    >>> round(float(CodingRate(distortion=1.0)(x, x)), 4)  # -log 2
    -0.6931

    Args:
        invariance: weight >= 0; the paper's 200.
        distortion: epsilon squared, > 0; the paper's 0.2.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("views",)
    source = "Tong et al. 2023, EMP-SSL: Towards Self-Supervised Learning in One Training Epoch"
    minimum = None
    memory = "O(min(B, D)^2)"
    search = {"invariance": Float(1.0, 500.0, log=True), "distortion": Float(0.05, 1.0, log=True)}
    variants = ({}, {"invariance": 2.0, "distortion": 0.5})

    def __init__(self, invariance: float = 200.0, distortion: float = 0.2, **base: Any) -> None:
        super().__init__(**base)
        self.invariance = check_range("CodingRate", "invariance", invariance, 0.0)
        self.distortion = check_range("CodingRate", "distortion", distortion, 1e-6)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        x, y = unit(x), unit(y)
        rate = 0.5 * (self._rate(x, counts) + self._rate(y, counts))
        return self.invariance * (1.0 - ops.sum(x * y, axis=-1)) - rate

    def _rate(self, x: Any, counts: Any) -> Any:
        rows, dimensions = x.shape
        x = x * ops.cast(counts, x.dtype)[:, None]
        if rows is None or rows > dimensions:  # the smaller of two matrices of one determinant
            x = ops.transpose(x)
        scale = dimensions / (self.distortion * views.number_of(counts, x))
        identity = ops.eye(ops.shape(x)[0], dtype=x.dtype)
        return half_log_det(cholesky(identity + scale * ops.matmul(x, ops.transpose(x))))
