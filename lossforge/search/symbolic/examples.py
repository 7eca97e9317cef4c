"""A recipe's data made small: flat inputs and targets for a network with one hidden layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from lossforge.errors import RecipeError
from lossforge.recipe import Recipe

MOST_INPUTS = 4096
MOST_EXAMPLES = 4000
SIDE = 16  # of a window, in numbers
REACH = 3  # pixels on each side of the one that is predicted
COMPONENTS = 64


@dataclasses.dataclass(frozen=True)
class Examples:
    """Inputs (examples, numbers), float32, and targets; `batch`: how many came together."""

    x: np.ndarray
    y: np.ndarray
    batch: int


def batches_of(recipe: Recipe, dataset: Any) -> Iterator[tuple]:
    """Batches as NumPy arrays.

    Raises:
        RecipeError: for data that is not a dataset of (inputs, targets).
    """
    try:
        batches = dataset.as_numpy_iterator()
    except AttributeError:
        raise RecipeError(
            f"--formulas reads tf.data datasets; '{recipe.name}' has {type(dataset).__name__}."
        ) from None
    for batch in batches:
        if not isinstance(batch, tuple) or len(batch) < 2:
            raise RecipeError(f"--formulas needs batches of (inputs, targets) in '{recipe.name}'.")
        yield batch


def array_of(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def classified(recipe: Recipe, task: Any, dataset: Any, seed: int) -> Examples:
    """Inputs, flattened, and labels as they are."""
    parts, batch = [], 0
    for x, y, *_ in batches_of(recipe, dataset):
        if array_of(x).shape[1] > MOST_INPUTS:
            raise RecipeError(
                f"--formulas flattens inputs of at most {MOST_INPUTS} numbers; those of "
                f"'{recipe.name}' have {array_of(x).shape[1]}."
            )
        batch = batch or len(x)
        parts.append((array_of(x).astype(np.float32), y))
        if sum(len(x) for x, _ in parts) >= MOST_EXAMPLES:
            break
    return _joined(parts, batch)


def box_windows(recipe: Recipe, task: Any, dataset: Any, seed: int) -> Examples:
    """Square windows around objects, in grey, and each object's box in its window, in [0, 1].

    A window is 1.4 to 2.4 times as large as its object and off its centre by up to 0.15 of itself:
    what a second look at a rough detection has to do.
    """
    rng, parts = np.random.default_rng([30, seed]), []
    for images, target, *_ in batches_of(recipe, dataset):
        image, slot = np.nonzero(target["labels"] >= 0)
        box = target["boxes"][image, slot].astype(float)
        sides = box[:, 2:] - box[:, :2]
        kept = (sides > 1.0).all(axis=1)
        image, box, sides = image[kept], box[kept], sides[kept]
        side = sides.max(axis=1, keepdims=True) * rng.uniform(1.4, 2.4, (len(box), 1))
        middle = box[:, :2] + 0.5 * sides + side * rng.uniform(-0.15, 0.15, (len(box), 2))
        low = middle - 0.5 * side
        place = (low[:, None] + (np.arange(SIDE)[:, None] + 0.5) / SIDE * side[:, None]).astype(int)
        column = np.clip(place[..., 0], 0, images.shape[2] - 1)
        row = np.clip(place[..., 1], 0, images.shape[1] - 1)
        seen = images[image[:, None, None], row[:, :, None], column[:, None, :]].mean(axis=-1)
        inside = np.clip((box - np.tile(low, 2)) / side, 0.0, 1.0)
        parts.append((array_of(seen).astype(np.float32), inside.astype(np.float32)))
        if sum(len(x) for x, _ in parts) >= MOST_EXAMPLES:
            break
    if not sum(len(x) for x, _ in parts):
        raise RecipeError(f"--formulas found no boxes in the data of '{recipe.name}'.")
    return _joined(parts, 64)


def restored_patches(recipe: Recipe, task: Any, dataset: Any, seed: int) -> Examples:
    """Surroundings of pixels in the input, enlarged, and what the pixel lacks to the target.

    Units are those in which the recipe's losses read the images.
    """
    rng, parts = np.random.default_rng([31, seed]), []
    for low, high, *_ in batches_of(recipe, dataset):
        scale = high.shape[1] // low.shape[1]
        if scale * low.shape[1] != high.shape[1] or low.shape[3] != high.shape[3]:
            raise RecipeError(
                f"--formulas needs targets that are inputs enlarged in '{recipe.name}'; got "
                f"{low.shape} and {high.shape}."
            )
        if scale > 1:
            from lossforge.data.degradations import enlarge

            low = np.asarray(enlarge(low, scale))
        reading = _reading(task, high, low.astype(np.float32))
        base, lacking = np.asarray(reading.y_pred), np.asarray(reading.y_true - reading.y_pred)
        where = _places(rng, base.shape)
        around = _around(base, where)
        x = around - around[:, around.shape[1] // 2][:, None]
        parts.append((array_of(x).astype(np.float32), lacking[where].astype(np.float32)))
        if sum(len(x) for x, _ in parts) >= MOST_EXAMPLES:
            break
    return _joined(parts, 64)


def masked_patches(recipe: Recipe, task: Any, dataset: Any, seed: int) -> Examples:
    """Surroundings of pixels, and their classes."""
    rng, parts = np.random.default_rng([32, seed]), []
    for images, masks, *_ in batches_of(recipe, dataset):
        where = _places(rng, images.shape)
        x = _around(images.astype(np.float32), where)
        parts.append((array_of(x), array_of(masks[where])))
        if sum(len(x) for x, _ in parts) >= MOST_EXAMPLES:
            break
    return _joined(parts, 64)


def as_principal_components(x: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """The directions of the largest spread of `x`, of unit spread all in all."""
    mean = x.mean(axis=0)
    some = (x - mean)[:: max(1, len(x) // 1000)]
    _, _, directions = np.linalg.svd(some, full_matrices=False)
    found = [(part - mean) @ directions[:COMPONENTS].T for part in (x, *others)]
    return [(part / (found[0].std() + 1e-6)).astype(np.float32) for part in found]


def _reading(task: Any, target: np.ndarray, output: np.ndarray) -> Any:
    readings = next(iter(r for r in task.read(target, output).values() if "image" in r))
    return readings["image"]


def _places(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """(image, row, column) of some pixels of each image, away from the border."""
    count = shape[0] * 64 if shape[0] > 1 else 400
    rows, columns = (rng.integers(REACH, n - REACH, count) for n in shape[1:3])
    return rng.integers(0, shape[0], count), rows, columns


def _around(images: np.ndarray, where: tuple[np.ndarray, ...]) -> np.ndarray:
    """(places, pixels around, channels)"""
    image, row, column = where
    step = np.arange(-REACH, REACH + 1)
    found = images[
        image[:, None, None], row[:, None, None] + step[:, None], column[:, None, None] + step
    ]
    return found.reshape(len(image), -1, images.shape[-1])


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], batch: int) -> Examples:
    x, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Examples(x, y, batch)
