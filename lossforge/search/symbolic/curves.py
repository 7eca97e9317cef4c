"""Slopes of formulas along the log-odds, or the distance, as curves that are looked up.

A curve is cut into cells of one width. In each cell it is a parabola, or two with a break between
them where the slope jumps: at the corner of an absolute value, a minimum, a maximum. A straight
line across such a cell would train another loss.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NODES = 0.5 + 0.5 * np.cos(np.pi * np.array([5, 3, 1]) / 6)
"""Where in a cell a parabola is fitted (Chebyshev's nodes): not at its ends, which may be jumps."""
CHECKS = np.array([0.003, 0.25, 0.997])
PLACES = np.concatenate([NODES, CHECKS])
TO_PARABOLA = np.linalg.inv(np.vander(NODES, 3, increasing=True))
RECORD = 8  # the break, three coefficients before it, three after it, and one of padding
NO_BREAK = 2.0
ERROR = 1e-4
"""Share of a cell's largest slope by which its parabola may be off; beyond, a break is sought."""
HALVINGS = 20
SHORTEST = 0.02

Slope = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(places in cells, counted from the first cell's start; rows) -> slopes."""


def curves_of(values: np.ndarray, slope: Slope | None = None) -> np.ndarray:
    """Records (rows, cells, 8) of one formula.

    Args:
        values: slopes at `PLACES` of each cell, (rows, cells, 6).
        slope: gives more slopes, to find breaks; None: without breaks.
    """
    records = np.zeros((*values.shape[:2], RECORD))
    records[..., 0] = NO_BREAK
    records[..., 1:4] = values[..., :3] @ TO_PARABOLA.T
    if slope is not None:
        drawn = records[..., 1:4] @ np.vander(CHECKS, 3, increasing=True).T
        error = np.abs(drawn - values[..., 3:]).max(axis=-1)
        row, cell = np.nonzero(error > ERROR * np.abs(values).max(axis=-1))
        if len(row):
            records[row, cell] = _broken(slope, row, cell)
    return records


def _broken(slope: Slope, row: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Records of cells with a break: where halving towards the greater change arrives."""
    low, high = np.zeros(len(row)), np.ones(len(row))
    at_low, at_high = slope(cell + low, row), slope(cell + high, row)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        found = slope(cell + middle, row)
        before = np.abs(found - at_low) >= np.abs(at_high - found)
        low, at_low = np.where(before, low, middle), np.where(before, at_low, found)
        high, at_high = np.where(before, middle, high), np.where(before, found, at_high)
    records = np.zeros((len(row), RECORD))
    records[:, 0] = high
    records[:, 1:4] = _parabola(slope, row, cell, np.zeros_like(high), high)
    records[:, 4:7] = _parabola(slope, row, cell, high, 1.0 - high)
    return records


def _parabola(
    slope: Slope, row: np.ndarray, cell: np.ndarray, start: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """Coefficients in the place in the cell, of a part of it; of a very short part, its middle."""
    at = (cell + start)[:, None] + length[:, None] * NODES
    values = slope(at, row[:, None])
    a, b, c = np.moveaxis(values @ TO_PARABOLA.T, -1, 0)
    short = length < SHORTEST
    length = np.where(short, 1.0, length)
    b, c = b / length, c / length**2
    found = np.stack([a - b * start + c * start**2, b - 2.0 * c * start, c], axis=-1)
    flat = np.stack([values[:, 1], np.zeros_like(b), np.zeros_like(b)], axis=-1)
    return np.where(short[:, None], flat, found)


class Curves:
    """The curves of K formulas, looked up all at once.

    Args:
        records: (K, rows, cells, 8) of `curves_of`; row 2 c + y is that of label y in class c,
            row y that of label y where all classes have one curve.
        low, high: the ends of the curves; beyond, they are as at the end.
    """

    def __init__(self, records: np.ndarray, low: float, high: float) -> None:
        self.count, rows, self.cells = records.shape[:3]
        self.by_class = rows > 2
        self.flat = np.ascontiguousarray(records, np.float32).reshape(-1)
        self.size = rows * self.cells
        self.low, self.high = np.float32(low), np.float32(high)
        self.width = np.float32((high - low) / self.cells)
        self.scale = np.float32(self.cells / (high - low))

    def at(self, place: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Slopes at (K, B, C) places, for labels 0 or 1 of shape (B, C)."""
        place = np.clip(place, self.low, self.high)
        index = ((place - self.low) * self.scale).astype(np.int32)
        np.minimum(index, self.cells - 1, out=index)
        place -= index * self.width + self.low  # without rounding: widths are short numbers
        place *= self.scale
        row = label.astype(np.int32)
        if self.by_class:
            row = row + 2 * np.arange(label.shape[-1], dtype=np.int32)
        index += row * self.cells
        index += (np.arange(self.count, dtype=np.int32) * self.size)[:, None, None]
        index *= RECORD
        after = place >= self.flat.take(index, mode="clip")
        index += 3 * after + np.int32(3)
        slope = self.flat.take(index, mode="clip")  # clip: NaN in a place is no error, it stays NaN
        for _ in range(2):
            index -= 1
            slope *= place
            slope += self.flat.take(index, mode="clip")
        return slope
