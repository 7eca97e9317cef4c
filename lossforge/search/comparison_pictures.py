"""What each loss makes of the same examples, side by side, with its numbers under each picture."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER, GRID = "pictures", "pictures.png"
OUTPUT = "output"
LETTER = 6.5  # pixels of a letter in a caption, on average


def keep_tiles(path: Path, task: Any, dataset: Any) -> None:
    """Writes the tiles of a task that has them; one with `pictures` alone gives one tile each."""
    if hasattr(task, "tiles"):
        rows = task.tiles(dataset)
    elif hasattr(task, "pictures"):
        rows = {name: {OUTPUT: (image, "")} for name, image in task.pictures(dataset).items()}
    else:
        return
    images = {
        f"{row}/{column}": tile[0] for row, tiles in rows.items() for column, tile in tiles.items()
    }
    captions = {
        row: {column: tile[1] for column, tile in tiles.items()} for row, tiles in rows.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.savez_compressed(file, captions=np.asarray(json.dumps(captions)), **images)


def draw_grid(path: Path, files: Sequence[Path], labels: Sequence[str]) -> bool:
    """A row for each example: what is the same for all losses, and the output of each loss.

    Args:
        path: of the PNG.
        files: what `keep_tiles` wrote, one a loss; those that do not exist are left out.
        labels: of the losses.

    Returns: whether there was anything to draw.
    """
    from PIL import Image

    from lossforge.tasks.picture_grid import picture_row, stacked

    known = [(label, np.load(f)) for f, label in zip(files, labels, strict=True) if f.exists()]
    if not known:
        return False
    first = known[0][1]
    rows = []
    for row, captions in json.loads(str(first["captions"])).items():
        columns = {}
        for column, caption in captions.items():
            if column == OUTPUT:
                for label, file in known:
                    image = file[f"{row}/{OUTPUT}"]
                    own = json.loads(str(file["captions"]))[row][OUTPUT]
                    columns["\n".join([*_lines(label, image), own]).strip()] = image
            elif _same_for_all(known, f"{row}/{column}"):
                columns["\n".join([column, caption]).strip()] = first[f"{row}/{column}"]
        rows.append(picture_row(columns))
    Image.fromarray(stacked(rows)).save(path, optimize=True)
    return True


def _same_for_all(known: Sequence[tuple[str, Any]], name: str) -> bool:
    first, *others = (file[name] for _, file in known)
    return all(np.array_equal(first, other) for other in others)


def _lines(label: str, image: np.ndarray) -> list[str]:
    """A label as wide as its picture."""
    return textwrap.wrap(label, max(12, int(image.shape[1] / LETTER)))
