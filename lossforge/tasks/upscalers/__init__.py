"""Networks that restore photographs: RGB of 0..255 in, and out at `scale` times the size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossforge.errors import RecipeError, unknown_name


def build_upscaler(name: str, scale: int) -> Any:
    """A keras.Model of the name: (B, h, w, 3) to (B, scale h, scale w, 3), for any h and w.

    * `compact`: 10 convolutions of 32 channels on top of the enlarged input; trains on a CPU.
    * `srresnet`: the paper's (16 blocks of 64 channels with batch normalisation).
    * `edsr_baseline`, `edsr`: 16 blocks of 64 channels, 32 of 256; no batch normalisation.
    * `rrdb`: ESRGAN's 23 residual-in-residual dense blocks.

    Raises:
        RecipeError: for a name that does not exist.

    >>> build_upscaler("compact", 2).count_params()
    78348
    """
    from lossforge.tasks.upscalers import residual, rrdb

    builders: dict[str, Callable[[int], Any]] = {
        "compact": residual.compact,
        "srresnet": residual.srresnet,
        "edsr_baseline": residual.edsr,
        "edsr": lambda scale: residual.edsr(scale, channels=256, blocks=32, residual_scale=0.1),
        "rrdb": rrdb.rrdb,
    }
    if name not in builders:
        raise RecipeError(unknown_name("upscaler", name, builders))
    return builders[name](scale)
