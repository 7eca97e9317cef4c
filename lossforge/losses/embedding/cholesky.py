"""Cholesky's factor and the determinant by it."""

from __future__ import annotations

from typing import Any

from keras import ops


def cholesky(x: Any) -> Any:
    """L with L L^T = X, lower triangular; NaN for an X that holds NaN, where Keras raises."""
    known = ops.all(ops.isfinite(x))
    identity = ops.eye(x.shape[-1] or ops.shape(x)[-1], dtype=x.dtype)
    return ops.where(known, ops.cholesky(ops.where(known, x, identity)), float("nan"))


def half_log_det(factor: Any) -> Any:
    """1/2 log det of the matrix whose factor this is."""
    return ops.sum(ops.log(ops.diagonal(factor)))
