"""Rotated boxes as Gaussians: no corner cases of angles, which turn over and swap sides."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from lossforge.losses.base import Loss, check_range
from lossforge.losses.boxes.box_geometry import divide
from lossforge.losses.classification.log_probabilities import safe_log
from lossforge.losses.safe_operators import in_own_dtype, safe_sqrt
from lossforge.ranges import Choice, Float

SMALLEST_SIDE = 1e-4


class RotatedLoss(Loss):
    """Base of losses on (..., 5) centre x, y, width, height, angle in radians.

    Box i is the Gaussian with its centre as mean and R diag(w^2, h^2) R^T / 4 as covariance S_i.
    A box turned by pi, or by pi / 2 with its sides swapped, is the same box.
    """

    kinds: tuple[str, ...] = ()

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if y_pred.shape[-1] != 5:
            raise ValueError(
                f"{type(self).__name__} reads (..., 5) centre x, y, width, height, angle; "
                f"got predictions of {tuple(y_pred.shape)}."
            )
        return self.compare(ops.cast(y_true, y_pred.dtype), y_pred)

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define compare.")


class Pose(NamedTuple):
    """One box seen along the axes of another: offset, half sides, and the turn between them."""

    along: Any
    across: Any
    sides: tuple[Any, Any]
    sides2: tuple[Any, Any]
    cos2: Any
    sin2: Any
    cos_sin: Any


def pose(first: Any, second: Any) -> Pose:
    """`second` seen from `first`."""
    dx, dy = second[..., 0] - first[..., 0], second[..., 1] - first[..., 1]
    c, s = cos_and_sin(first[..., 4])
    turn_c, turn_s = cos_and_sin(second[..., 4] - first[..., 4])
    return Pose(
        c * dx + s * dy,
        c * dy - s * dx,
        half_sides(first),
        half_sides(second),
        turn_c * turn_c,
        turn_s * turn_s,
        turn_c * turn_s,
    )


def cos_and_sin(angle: Any) -> tuple[Any, Any]:
    return in_own_dtype("cos", angle), in_own_dtype("sin", angle)


def half_sides(box: Any) -> tuple[Any, Any]:
    return ops.maximum(box[..., 2], SMALLEST_SIDE) / 2, ops.maximum(box[..., 3], SMALLEST_SIDE) / 2


def squashed(distance: Any, tau: float, mode: str) -> Any:
    """1 - tau / (tau + f(distance)) in [0, 1), with f = log(1 + d) or the square root."""
    f = ops.log1p(distance) if mode == "log" else safe_sqrt(distance)
    return f / (tau + f)


def check_mode(loss: str, name: str, value: str, options: tuple[str, ...]) -> str:
    if value not in options:
        names = ", ".join(repr(option) for option in options)
        raise ValueError(f"{loss}: {name} must be one of {names}, got {value!r}.")
    return value


class RotatedGWD(RotatedLoss):
    """Gaussian Wasserstein distance of rotated boxes.

        W = |m - m'|^2 + tr(S + S' - 2 (S^(1/2) S' S^(1/2))^(1/2))
        loss = 1 - tau / (tau + f(W))

    Reads: y_true, y_pred: (batch, ..., 5) centre x, y, width, height, angle in radians.
    Returns: (batch, ...), in [0, 1); 0 for the same box.
    Edges: sides below 1e-4 count as 1e-4. W is in square units: the loss depends on the unit. The
        paper's 1 - 1 / (tau + f) is this for its tau of 1.
    Source: Yang et al. 2021, Rethinking Rotated Object Detection with Gaussian Wasserstein
        Distance Loss, equations 4 and 8.

    >>> float(RotatedGWD()([[0.0, 0.0, 2.0, 1.0, 0.5]], [[0.0, 0.0, 2.0, 1.0, 0.5]]))
    0.0

    Args:
        tau: how far the loss reaches, > 0; the paper's 1.
        mode: f, "log" for log(1 + W), or "sqrt".
    """

    kinds = ("rotated_boxes",)
    source = "Yang et al. 2021, Rotated Object Detection with Gaussian Wasserstein Distance Loss"
    search = {"tau": Float(0.5, 3.0), "mode": Choice(("log", "sqrt"))}
    variants = ({}, {"tau": 2.0, "mode": "sqrt"})

    def __init__(self, tau: float = 1.0, mode: str = "log", **base: Any) -> None:
        super().__init__(**base)
        self.tau = check_range("RotatedGWD", "tau", tau, 1e-3)
        self.mode = check_mode("RotatedGWD", "mode", mode, ("log", "sqrt"))

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        seen = pose(y_true, y_pred)
        (a, b), (a2, b2) = seen.sides, seen.sides2
        moved = ops.square(seen.along) + ops.square(seen.across)
        # tr(...)^(1/2) of two 2 x 2 matrices is the root of tr(S S') + 2 (det S det S')^(1/2);
        # written as a difference from parallel boxes, so that nothing cancels near equal ones.
        parallel = a * a2 + b * b2
        turned = seen.sin2 * (a - b) * (a + b) * (a2 - b2) * (a2 + b2)
        root = safe_sqrt(ops.square(parallel) - turned)
        shape = ops.square(a - a2) + ops.square(b - b2) + 2.0 * divide(turned, parallel + root)
        return squashed(moved + ops.maximum(shape, 0.0), self.tau, self.mode)


class RotatedKLD(RotatedLoss):
    """Kullback-Leibler divergence of rotated boxes: the same in every unit.

        D = ((m - m')^T S^-1 (m - m') + tr(S^-1 S') + log(|S| / |S'|) - 2) / 2
        loss = 1 - tau / (tau + f(D))

    with S of the target and S' of the prediction; `direction="target"` swaps the two, and
    "both" takes the mean of both.

    Reads: y_true, y_pred: (batch, ..., 5) centre x, y, width, height, angle in radians.
    Returns: (batch, ...), in [0, 1); 0 for the same box.
    Edges: sides below 1e-4 count as 1e-4. The paper's 1 - 1 / (tau + f) is this for its tau of 1.
    Source: Yang et al. 2021, Learning High-Precision Bounding Box for Rotated Object Detection
        via Kullback-Leibler Divergence, equations 4 to 12.

    >>> float(RotatedKLD()([[0.0, 0.0, 2.0, 1.0, 0.5]], [[0.0, 0.0, 2.0, 1.0, 0.5]]))
    0.0

    Args:
        tau: how far the loss reaches, > 0; the paper's 1.
        mode: f, "log" for log(1 + D), or "sqrt".
        direction: "prediction" for D(prediction || target), "target" or "both" (Jeffreys).
    """

    kinds = ("rotated_boxes",)
    source = "Yang et al. 2021, Rotated Object Detection via Kullback-Leibler Divergence"
    search = {
        "tau": Float(0.5, 3.0),
        "mode": Choice(("log", "sqrt")),
        "direction": Choice(("prediction", "target", "both")),
    }
    variants = ({}, {"tau": 2.0, "mode": "sqrt", "direction": "target"}, {"direction": "both"})

    def __init__(
        self, tau: float = 1.0, mode: str = "log", direction: str = "prediction", **base: Any
    ) -> None:
        super().__init__(**base)
        self.tau = check_range("RotatedKLD", "tau", tau, 1e-3)
        self.mode = check_mode("RotatedKLD", "mode", mode, ("log", "sqrt"))
        directions = ("prediction", "target", "both")
        self.direction = check_mode("RotatedKLD", "direction", direction, directions)

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        if self.direction == "prediction":
            divergence = gaussian_divergence(y_pred, y_true)
        elif self.direction == "target":
            divergence = gaussian_divergence(y_true, y_pred)
        else:
            divergence = gaussian_divergence(y_pred, y_true) + gaussian_divergence(y_true, y_pred)
            divergence = 0.5 * divergence
        return squashed(ops.maximum(divergence, 0.0), self.tau, self.mode)


def gaussian_divergence(first: Any, second: Any) -> Any:
    """D(first || second) of the Gaussians of rotated boxes."""
    seen = pose(second, first)
    (a, b), (a2, b2) = seen.sides, seen.sides2
    moved = ops.square(seen.along / a) + ops.square(seen.across / b)
    trace = seen.cos2 * (ops.square(a2 / a) + ops.square(b2 / b))
    trace = trace + seen.sin2 * (ops.square(a2 / b) + ops.square(b2 / a))
    volume = 2.0 * (ops.log(a / a2) + ops.log(b / b2))
    return 0.5 * (moved + trace + volume - 2.0)


class KFIoU(RotatedLoss):
    """Overlap of the shapes of rotated boxes, as the product of Gaussians at one centre.

        V = 4 |S|^(1/2), the area;   k = V_product / (V + V' - V_product),   at most 1/3
        mode "linear"  1 - 3 k       "exp"  exp(1 - 3 k) - 1       "log"  -log(3 k)

    It says nothing on the centre: add a loss of the offsets, as the paper does (SmoothL1). The
    factor 3 lets equal shapes cost 0; the common implementation has k itself.

    Reads: y_true, y_pred: (batch, ..., 5) centre x, y, width, height, angle in radians.
    Returns: (batch, ...); 0 for the same shape.
    Edges: sides below 1e-4 count as 1e-4.
    Source: Yang et al. 2023, The KFIoU Loss for Rotated Object Detection, equations 4 to 9.

    >>> round(float(KFIoU()([[0.0, 0.0, 2.0, 1.0, 0.5]], [[0.0, 0.0, 2.0, 1.0, 0.5]])), 5)
    0.0

    Args:
        mode: "linear", "exp" (the paper's) or "log".
    """

    kinds = ("rotated_boxes",)
    source = "Yang et al. 2023, The KFIoU Loss for Rotated Object Detection"
    search = {"mode": Choice(("linear", "exp", "log"))}
    variants = ({}, {"mode": "linear"}, {"mode": "log"})

    def __init__(self, mode: str = "exp", **base: Any) -> None:
        super().__init__(**base)
        self.mode = check_mode("KFIoU", "mode", mode, ("linear", "exp", "log"))

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        seen = pose(y_true, y_pred)
        (a, b), (a2, b2) = seen.sides, seen.sides2
        # |S S' / (S + S')| has the root a b a2 b2 / |S + S'|^(1/2); all areas over a b.
        share = (a2 / a) * (b2 / b)
        product = share / safe_sqrt(sum_determinant(seen))
        k = product / (1.0 + share - product)
        if self.mode == "log":
            return -safe_log(3.0 * k)
        return 1.0 - 3.0 * k if self.mode == "linear" else ops.expm1(1.0 - 3.0 * k)


class ProbIoU(RotatedLoss):
    """Hellinger distance of rotated boxes: fuzzy overlap, in the same unit-free scale as IoU.

        B = (m - m')^T (S + S')^-1 (m - m') / 4 + log(|S + S'| / (4 (|S| |S'|)^(1/2))) / 2
        mode "hellinger"  (1 - exp(-B))^(1/2)        mode "bhattacharyya"  B

    The covariances are those of uniform boxes, R diag(w^2, h^2) R^T / 12.

    Reads: y_true, y_pred: (batch, ..., 5) centre x, y, width, height, angle in radians.
    Returns: (batch, ...); 0 for the same box; "hellinger" at most 1.
    Edges: sides below 1e-4 count as 1e-4. "hellinger" is flat far away: start with the other one.
    Source: Llerena et al. 2021, Gaussian Bounding Boxes and Probabilistic Intersection-over-Union
        for Object Detection, equations 4 to 13.

    >>> float(ProbIoU("bhattacharyya")([[0.0, 0.0, 2.0, 1.0, 0.0]], [[0.0, 0.0, 2.0, 1.0, 0.0]]))
    0.0

    Args:
        mode: "hellinger" (the paper's L1) or "bhattacharyya" (its L2).
    """

    kinds = ("rotated_boxes",)
    source = "Llerena et al. 2021, Gaussian Bounding Boxes and Probabilistic IoU"
    minimum = 0.0
    search = {"mode": Choice(("hellinger", "bhattacharyya"))}
    variants = ({}, {"mode": "bhattacharyya"})

    def __init__(self, mode: str = "hellinger", **base: Any) -> None:
        super().__init__(**base)
        self.mode = check_mode("ProbIoU", "mode", mode, ("hellinger", "bhattacharyya"))

    def compare(self, y_true: Any, y_pred: Any) -> Any:
        seen = pose(y_true, y_pred)
        (a, b), (a2, b2) = seen.sides, seen.sides2
        # In units of the target's half sides S is the identity, and S' is p, r; r, q.
        u, v = seen.along / a, seen.across / b
        p = seen.cos2 * ops.square(a2 / a) + seen.sin2 * ops.square(b2 / a)
        q = seen.cos2 * ops.square(b2 / b) + seen.sin2 * ops.square(a2 / b)
        r = seen.cos_sin * (a2 / a - b2 / a) * (a2 / b + b2 / b)
        moved = (1.0 + q) * ops.square(u) + (1.0 + p) * ops.square(v) - 2.0 * r * u * v
        moved = 0.75 * moved / sum_determinant(seen)  # 3 / 4: covariances over 12, not over 4
        distance = ops.maximum(moved, 0.0) + 0.5 * ops.log1p(excess(seen))
        if self.mode == "bhattacharyya":
            return distance
        return safe_sqrt(-ops.expm1(-distance))


def sum_determinant(seen: Pose) -> Any:
    """|S + S'| / |S|."""
    (a, b), (a2, b2) = seen.sides, seen.sides2
    own = ops.square((a2 / a) * (b2 / b))
    trace = seen.cos2 * (ops.square(a2 / a) + ops.square(b2 / b))
    return 1.0 + own + trace + seen.sin2 * (ops.square(a2 / b) + ops.square(b2 / a))


def excess(seen: Pose) -> Any:
    """|S + S'| / (4 (|S| |S'|)^(1/2)) - 1: 0 for equal shapes, without cancellation."""
    (a, b), (a2, b2) = seen.sides, seen.sides2
    share = (a2 / a) * (b2 / b)
    total = ops.square(1.0 - share) + seen.cos2 * ops.square(a2 / a - b2 / b)
    return (total + seen.sin2 * ops.square(a2 / b - b2 / a)) / (4.0 * share)
