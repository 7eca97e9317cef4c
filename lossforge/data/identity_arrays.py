"""Labelled pictures in a .npz file: for those who have arrays and no picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lossforge.errors import RecipeError


def read_identity_arrays(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """`images` (N, H, W, C), 0..255, one channel or three, and `labels` (N,) of a .npz file.

    `images` of shape (N, H, W) are taken as grey.

    Raises:
        RecipeError: for a file that can't be read or lacks one of the two, shapes that do not fit,
            and the first image with NaN, infinity or a value outside 0..255, by its row.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except KeyError:
        raise RecipeError(f"{file} must hold two arrays, 'images' and 'labels'.") from None
    except (OSError, ValueError, EOFError) as error:
        raise RecipeError(f"{file} can't be read as a .npz file: {error}.") from None
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or labels.shape != images.shape[:1]:
        raise RecipeError(
            f"{file}: images must be (N, H, W) or (N, H, W, 1 or 3) with labels (N,), got "
            f"{images.shape} and {labels.shape}."
        )
    if not np.issubdtype(images.dtype, np.number):
        raise RecipeError(f"{file}: images must be numbers in 0..255, got {images.dtype}.")
    for row, image in enumerate(images):
        if not np.isfinite(image).all():
            raise RecipeError(f"{file}: image {row} holds NaN or infinity; expected 0..255.")
        if image.min() < 0 or image.max() > 255:
            raise RecipeError(
                f"{file}: image {row} lies in {image.min():g}..{image.max():g}; expected 0..255."
            )
    return images, labels
