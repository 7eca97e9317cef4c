"""All losses. Importing this package imports every module below it, which registers its losses."""

import importlib
import pkgutil

from lossforge.losses.base import LOSSES, Loss

for _module in pkgutil.walk_packages(__path__, __name__ + "."):
    importlib.import_module(_module.name)

__all__ = ["LOSSES", "Loss", *sorted(LOSSES)]


def __getattr__(name: str) -> type[Loss]:
    try:
        return LOSSES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
