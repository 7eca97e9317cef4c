"""Detectors behind one contract: `network`, `slots`, `read` and `decode`."""

from __future__ import annotations

import importlib
from typing import Any

from lossforge.errors import RecipeError, unknown_name

DETECTORS = {
    "small_retinanet": "lossforge.tasks.detectors.small_retinanet:small_retinanet",
    "keras_cv:retinanet": "lossforge.tasks.detectors.keras_cv:retinanet",
    "keras_cv:retinanet_resnet50": "lossforge.tasks.detectors.keras_cv:retinanet_resnet50",
    "keras_cv:yolo_v8": "lossforge.tasks.detectors.keras_cv:yolo_v8",
    "keras_hub:retinanet": "lossforge.tasks.detectors.keras_hub:retinanet",
}


def build_detector(model: str, num_classes: int, image_size: int) -> Any:
    """The detector of that name, with fresh weights. Imports its library only now.

    Raises:
        RecipeError: for an unknown name, a library that is not installed, or an image size that
            the detector cannot take.
    """
    if model not in DETECTORS:
        raise RecipeError(unknown_name("detector", str(model), DETECTORS))
    module, function = DETECTORS[model].split(":")
    try:
        build = getattr(importlib.import_module(module), function)
        return build(num_classes=num_classes, image_size=image_size)
    except ImportError as error:
        package = model.split(":")[0].replace("_", "-")
        raise RecipeError(
            f"model={model} needs {package} ({error}). "
            f"Install it: pip install 'lossforge[{package}]'."
        ) from error
    except ValueError as error:
        raise RecipeError(f"model={model}: {error}") from error
