"""True accepts at each rate of false accepts, as far as the pairs can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lossforge.metrics.verification import Rate, equal_error_rate, roc, tar_at_far

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def roc_picture(genuine: np.ndarray, impostor: np.ndarray) -> np.ndarray:
    """The ROC over a logarithmic FAR, with 95 % intervals at powers of ten.

    Rates that the impostor pairs can't resolve are shaded: nothing is known there.

    Args:
        genuine, impostor: similarities of pairs of one identity, and of two.

    Returns: (H, W, 3) uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    far, tar, _ = roc(genuine, impostor)
    seen = far > 0
    axes.step(far[seen], tar[seen], where="post")
    rates = [tar_at_far(genuine, impostor, rate, warn=False) for rate in FARS]
    for rate in (rate for rate in rates if rate.resolved):
        _mark(axes, rate)
    least = 1 / len(impostor)
    axes.axvspan(min(FARS[-1], least) / 2, least, color="0.9")
    axes.set(
        xscale="log",
        xlim=(min(FARS[-1], least) / 2, 1.0),
        ylim=(0.0, 1.02),
        xlabel="false-accept rate (FAR); shaded: too few pairs to tell",
        ylabel="true-accept rate (TAR)",
        title=f"{len(genuine):,} genuine and {len(impostor):,} impostor pairs, "
        f"EER {equal_error_rate(genuine, impostor):.3f}",
    )
    axes.grid(alpha=0.3)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _mark(axes: Axes, rate: Rate) -> None:
    lift = 6 if rate.tar < 0.1 else -12  # points, clear of the axis
    spread = [[rate.tar - rate.low], [rate.high - rate.tar]]
    axes.errorbar([rate.far], [rate.tar], yerr=spread, fmt="o", color="black", capsize=3)
    axes.annotate(
        f"{rate.tar:.2f}", (rate.far, rate.tar), xytext=(6, lift), textcoords="offset points"
    )
