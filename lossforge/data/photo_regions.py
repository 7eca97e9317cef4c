"""Regions of real photographs as identities: instance retrieval that needs no network."""

from __future__ import annotations

import functools

import numpy as np

from lossforge.data.photographs import photographs

HELD_OUT = {
    "validation": ("camera", "china", "coins", "tissue"),
    "test": ("cat", "coffee", "motorcycle", "rocket"),
}
LEAST_CONTRAST = 8.0  # standard deviation in grey levels: empty sky and ground tell nothing apart


@functools.cache
def photo_regions(side: int = 44, most: int = 120) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Square regions, none of which overlap, of photographs that belong to one split each.

    The regions of validation and test lie in photographs of which training has seen nothing, so
    that a model is measured on identities and scenes that are new to it. Regions of one photograph
    share light, colours and texture: to tell them apart takes more than a mean colour.

    Args:
        side: of a region, in pixels.
        most: regions of one photograph; of more, as many are taken, evenly spread.

    Returns: "train", "validation", "test" -> (images (N, side, side, 3) uint8 and read-only, names
        such as "coffee 44,88": photograph, left, top).

    >>> {split: len(names) for split, (_, names) in photo_regions().items()}
    {'train': 823, 'validation': 334, 'test': 332}
    """
    held_out = {name: split for split, names in HELD_OUT.items() for name in names}
    found: dict[str, tuple[list[np.ndarray], list[str]]]
    found = {split: ([], []) for split in ("train", *HELD_OUT)}
    for name, image in photographs().items():
        images, names = found[held_out.get(name, "train")]
        regions = _textured(image, side)
        keep = np.linspace(0, len(regions) - 1, min(most, len(regions))).round().astype(int)
        for left, top in (regions[index] for index in keep):
            images.append(image[top : top + side, left : left + side])
            names.append(f"{name} {left},{top}")
    stacked = {split: (np.stack(images), tuple(names)) for split, (images, names) in found.items()}
    for whole, _ in stacked.values():
        whole.setflags(write=False)
    return stacked


def _textured(image: np.ndarray, side: int) -> list[tuple[int, int]]:
    """(left, top) of the cells of a grid that show something."""
    height, width = image.shape[:2]
    grey = image.mean(axis=-1)
    return [
        (left, top)
        for top in range(0, height - side + 1, side)
        for left in range(0, width - side + 1, side)
        if grey[top : top + side, left : left + side].std() > LEAST_CONTRAST
    ]
