"""Real photographs that come with scikit-image and scikit-learn, cut into disjoint regions."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

TRAIN_SHARE = 0.62  # of the long side; what is left is halved for validation and test


@dataclass(frozen=True)
class Region:
    """A rectangle of a photograph, in its pixels; right and bottom are outside."""

    photograph: str
    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def of(self, image: np.ndarray) -> np.ndarray:
        """The part of `image`, (H, W, ...), that lies in the region: a view."""
        return image[self.top : self.bottom, self.left : self.right]

    def transposed(self) -> Region:
        """The same region of the photograph with its axes swapped."""
        return Region(self.photograph, self.top, self.left, self.bottom, self.right)


def photographs() -> dict[str, np.ndarray]:
    """Seventeen real photographs, at hand without a network.

    People, animals, buildings, textures, sky, microscopy. Drawings, silhouettes, pages of text and
    the second view of the stereo pair (the same scene again) are left out.

    Returns: name -> (H, W, 3) uint8, read-only, 300 to 1411 pixels a side, sorted by name; grey
        ones have three equal channels.

    >>> photographs()["coffee"].shape
    (400, 600, 3)
    """
    return dict(_read())


def photograph_regions(gap: int = 16) -> dict[str, tuple[Region, ...]]:
    """One region of every photograph for each split: no two share a pixel.

    Training has 62 % of the long side, at the start or the end by turns; the rest is halved across
    into validation and test, by turns as well, so that no split is all sky or all ground.

    Args:
        gap: pixels between any two regions of one photograph, which belong to no split.

    Returns: "train", "validation", "test" -> regions in the order of the photographs. With the
        default gap every side is at least 128 pixels.

    >>> [region.photograph for region in photograph_regions()["test"]][:2]
    ['astronaut', 'brick']
    """
    splits: dict[str, list[Region]] = {"train": [], "validation": [], "test": []}
    for turn, (name, image) in enumerate(_read()):
        height, width = image.shape[:2]
        wide = width >= height
        cut = _cut(name, max(width, height), min(width, height), gap, turn)
        for split, region in zip(splits, cut, strict=True):
            splits[split].append(region if wide else region.transposed())
    return {split: tuple(regions) for split, regions in splits.items()}


def _cut(name: str, long: int, short: int, gap: int, turn: int) -> list[Region]:
    """Train, validation, test of a picture that is `long` wide and `short` high."""
    train_width = round(long * TRAIN_SHARE - gap / 2)
    rest_width = long - train_width - gap
    half = (short - gap) // 2
    train_left, rest_left = (rest_width + gap, 0) if turn % 2 else (0, train_width + gap)
    train = Region(name, train_left, 0, train_left + train_width, short)
    rest = [
        Region(name, rest_left, 0, rest_left + rest_width, half),
        Region(name, rest_left, half + gap, rest_left + rest_width, short),
    ]
    return [train, *(rest if turn // 2 % 2 else reversed(rest))]


@functools.cache
def _read() -> tuple[tuple[str, np.ndarray], ...]:
    from skimage import color, data
    from sklearn.datasets import load_sample_image

    read = {
        "astronaut": data.astronaut,
        "brick": data.brick,
        "camera": data.camera,
        "cat": data.cat,
        "cell": data.cell,
        "china": lambda: load_sample_image("china.jpg"),
        "coffee": data.coffee,
        "coins": data.coins,
        "flower": lambda: load_sample_image("flower.jpg"),
        "grass": data.grass,
        "gravel": data.gravel,
        "hubble": data.hubble_deep_field,
        "moon": data.moon,
        "motorcycle": lambda: data.stereo_motorcycle()[0],
        "retina": data.retina,
        "rocket": data.rocket,
        "tissue": data.immunohistochemistry,
    }
    images = []
    for name in sorted(read):
        image = np.asarray(read[name](), dtype=np.uint8)
        image = color.gray2rgb(image) if image.ndim == 2 else image.copy()
        image.setflags(write=False)
        images.append((name, image))
    return tuple(images)
