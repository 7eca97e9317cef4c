"""Two views agree, and no dimension repeats another: no negatives needed."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossforge.losses.base import check_range
from lossforge.losses.contrastive import views
from lossforge.losses.contrastive.views import TwoViews
from lossforge.losses.embedding.distances import diagonal, squared_euclidean, unit
from lossforge.losses.embedding.pairs import log_sum_exp_where, number
from lossforge.ranges import Float


class BarlowTwins(TwoViews):
    """The correlation of the two views, dimension against dimension, must be the identity.

        C_de = mean over examples of x_d y_e, each dimension with mean 0 and variance 1
        loss = sum_d (1 - C_dd)^2 + off_diagonal sum_{d != e} C_de^2, for every example

    Reads: y_true, y_pred: (batch, D), the two views.
    Returns: (batch,), equal for all; statistics are those of the examples that count.
    Edges: a dimension that is constant in the batch has correlation 0, as with one example. Where D
        is larger than the batch no D x D matrix is made. Sums, as in the paper; some libraries
        scale them.
    Source: Zbontar et al. 2021, Barlow Twins: Self-Supervised Learning via Redundancy Reduction,
        equations 1 and 2.

    >>> x = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    >>> float(BarlowTwins()(x, x))
    0.0

    Args:
        off_diagonal: weight >= 0; the paper's 0.005.

    Raises:
        ValueError: for a negative weight.
    """

    kinds = ("views",)
    source = "Zbontar et al. 2021, Barlow Twins"
    minimum = None
    memory = "O(min(B, D)^2)"
    search = {"off_diagonal": Float(1e-4, 1e-1, log=True)}
    variants = ({}, {"off_diagonal": 0.05})

    def __init__(self, off_diagonal: float = 0.005, **base: Any) -> None:
        super().__init__(**base)
        self.off_diagonal = check_range("BarlowTwins", "off_diagonal", off_diagonal, 0.0)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        x, y = views.standardised(x, counts), views.standardised(y, counts)
        examples = views.number_of(counts, x)
        same = ops.sum(x * y, axis=0) / examples
        every = views.sum_of_squared_products(x, y) / ops.square(examples)
        off = ops.relu(every - ops.sum(ops.square(same)))
        loss = ops.sum(ops.square(1.0 - same)) + self.off_diagonal * off
        return views.for_all(loss, counts)


class VICReg(TwoViews):
    """Views agree, every dimension keeps its spread, and no two dimensions go together.

        loss_i = invariance mean_d (x_id - y_id)^2
                 + variance mean over both views of mean_d max(0, 1 - sqrt(var_d + 1e-4))
                 + covariance sum over both views of sum_{d != e} cov_de^2 / D

    Reads: y_true, y_pred: (batch, D), the two views.
    Returns: (batch,); statistics are those of the examples that count, with their number - 1.
    Edges: one example alone has variance 0. Where D is larger than the batch no D x D matrix is
        made. The mean over views in the variance is that of the authors' code, which goes with the
        weights 25, 25, 1; the paper writes a sum.
    Source: Bardes, Ponce and LeCun 2022, VICReg: Variance-Invariance-Covariance Regularization,
        equations 1 to 6.

    >>> round(float(VICReg(variance=0.0)([[1.0], [2.0]], [[1.0], [2.0]])), 6)
    0.0

    Args:
        invariance: weight >= 0.
        variance: weight >= 0.
        covariance: weight >= 0.

    Raises:
        ValueError: for a negative weight.
    """

    kinds = ("views",)
    source = "Bardes, Ponce and LeCun 2022, VICReg"
    minimum = None
    memory = "O(min(B, D)^2)"
    search = {"variance": Float(1.0, 50.0, log=True), "covariance": Float(0.1, 10.0, log=True)}
    variants = ({}, {"invariance": 5.0, "variance": 1.0, "covariance": 0.2})

    def __init__(
        self,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.invariance = check_range("VICReg", "invariance", invariance, 0.0)
        self.variance = check_range("VICReg", "variance", variance, 0.0)
        self.covariance = check_range("VICReg", "covariance", covariance, 0.0)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        dimensions = y.shape[-1]
        agreement = ops.sum(ops.square(x - y), axis=-1) / dimensions
        spread, together = 0.0, 0.0
        degrees = ops.maximum(views.number_of(counts, y) - 1.0, 1.0)
        for view in (x, y):
            view = views.centred(view, counts) / ops.sqrt(degrees)
            variances = ops.sum(ops.square(view), axis=0)
            short = ops.relu(1.0 - ops.sqrt(variances + 1e-4))
            spread = spread + 0.5 * ops.sum(short) / dimensions
            every = views.sum_of_squared_products(view, view)
            off = ops.relu(every - ops.sum(ops.square(variances)))
            together = together + off / dimensions
        return self.invariance * agreement + self.variance * spread + self.covariance * together


class TiCo(TwoViews):
    """Views agree, and embeddings keep away from directions that the batch already fills.

        C = Z^T Z / N,    loss_i = -cos(z_i, x_i) + contrast z_i^T C z_i

    with z the second view at length 1. The paper's C is a moving average over batches; this is its
    beta = 0, the batch's own, which needs no state. z^T C z is the mean squared cosine with all
    embeddings of the batch.

    Reads: y_true: (batch, D), x; y_pred: (batch, D), z; of any length.
    Returns: (batch,).
    Source: Zhu et al. 2022, TiCo: Transformation Invariance and Covariance Contrast for
        Self-Supervised Visual Representation Learning, equation 6.

    >>> x = [[1.0, 0.0], [0.0, 1.0]]
    >>> float(TiCo(contrast=2.0)(x, x))
    0.0

    Args:
        contrast: weight >= 0; the paper's rho, 8.

    Raises:
        ValueError: for a negative weight.
    """

    kinds = ("views",)
    source = "Zhu et al. 2022, TiCo: Transformation Invariance and Covariance Contrast"
    minimum = None
    memory = "O(B D + D^2)"
    search = {"contrast": Float(0.5, 50.0, log=True)}
    variants = ({}, {"contrast": 1.0})

    def __init__(self, contrast: float = 8.0, **base: Any) -> None:
        super().__init__(**base)
        self.contrast = check_range("TiCo", "contrast", contrast, 0.0)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        x, z = unit(x), unit(y)
        counted = z * ops.cast(counts, z.dtype)[:, None]
        covariance = ops.matmul(ops.transpose(counted), counted) / views.number_of(counts, z)
        crowded = ops.sum(ops.matmul(z, covariance) * z, axis=-1)
        return self.contrast * crowded - ops.sum(x * z, axis=-1)


class AlignmentUniformity(TwoViews):
    """Views of an example are near on the sphere, and examples are spread over all of it.

        loss_i = |x_i - y_i|^alpha
                 + uniformity mean over both views of log mean_{j != k} exp(-t |v_j - v_k|^2)

    Reads: y_true, y_pred: (batch, D), the two views, brought to length 1 here.
    Returns: (batch,); below 0 where examples are spread.
    Edges: one example alone is uniform: its second term is 0.
    Source: Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment
        and Uniformity on the Hypersphere, section 4.1.

    >>> round(float(AlignmentUniformity(t=1.0)([[1.0], [-1.0]], [[1.0], [-1.0]])), 4)
    -4.0

    Args:
        alpha: > 0; the paper's 2.
        t: width of the kernel, > 0; the paper's 2.
        uniformity: weight >= 0 of the second term.

    Raises:
        ValueError: for numbers out of range.
    """

    kinds = ("views",)
    source = "Wang and Isola 2020, Alignment and Uniformity on the Hypersphere"
    minimum = None
    search = {"t": Float(0.5, 8.0, log=True), "uniformity": Float(0.1, 4.0, log=True)}
    variants = ({}, {"alpha": 1.0, "t": 3.0, "uniformity": 0.3})

    def __init__(
        self, alpha: float = 2.0, t: float = 2.0, uniformity: float = 1.0, **base: Any
    ) -> None:
        super().__init__(**base)
        self.alpha = check_range("AlignmentUniformity", "alpha", alpha, 1e-3)
        self.t = check_range("AlignmentUniformity", "t", t, 1e-6)
        self.uniformity = check_range("AlignmentUniformity", "uniformity", uniformity, 0.0)

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        x, y = unit(x), unit(y)
        squared = ops.sum(ops.square(x - y), axis=-1)
        apart = ops.logical_not(squared <= 0.0)
        power = ops.power(ops.where(apart, squared, 1.0), self.alpha / 2.0)
        crowding = 0.5 * (self._crowding(x, counts) + self._crowding(y, counts))
        return ops.where(apart, power, 0.0) + self.uniformity * crowding

    def _crowding(self, x: Any, counts: Any) -> Any:
        pairs = ops.logical_and(views.both_count(counts), ops.logical_not(diagonal(x)))
        pairs = ops.reshape(pairs, (1, -1))
        exponents = ops.reshape(-self.t * squared_euclidean(x), (1, -1))
        total = log_sum_exp_where(pairs, exponents)
        return (total - ops.log(ops.maximum(number(pairs, x), 1.0)))[0]


class KoLeo(TwoViews):
    """Spreads embeddings over the sphere: each is pushed from its nearest neighbour.

        loss_i = -log(min over j != i of |v_i - v_j| + 1e-8),    v: y_pred at length 1

    Reads: y_pred: (batch, D) embeddings; y_true is not read.
    Returns: (batch,); below 0 where neighbours are more than 1 apart.
    Edges: one example alone costs 0; embeddings that are equal cost 18.4 and have no gradient.
    Source: Sablayrolles et al. 2019, Spreading Vectors for Similarity Search, equation 3.

    >>> round(float(KoLeo()([[0.0], [0.0]], [[1.0], [-1.0]])), 4)
    -0.6931
    """

    kinds = ("views",)
    source = "Sablayrolles et al. 2019, Spreading Vectors for Similarity Search"
    minimum = None

    def values(self, x: Any, y: Any, counts: Any) -> Any:
        squared = squared_euclidean(unit(y))
        others = ops.logical_and(views.both_count(counts), ops.logical_not(diagonal(y)))
        nearest = ops.min(ops.where(others, squared, 8.0), axis=-1)
        apart = ops.logical_not(nearest <= 0.0)
        distance = ops.where(apart, ops.sqrt(ops.where(apart, nearest, 1.0)), 0.0)
        alone = ops.logical_not(ops.any(others, axis=-1))
        return ops.where(alone, 0.0 * ops.sum(y, axis=-1), -ops.log(distance + 1e-8))
