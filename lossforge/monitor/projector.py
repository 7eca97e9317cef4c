"""Embeddings for TensorBoard's projector: vectors, labels and a sprite of thumbnails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SPRITE_SIDE = 8192  # TensorBoard draws no larger sprite


def write_projector(
    log_dir: str | Path,
    embeddings: np.ndarray,
    labels: Sequence[object],
    images: np.ndarray | None = None,
    most: int = 5000,
) -> Path:
    """Writes what the projector tab of `tensorboard --logdir LOG_DIR` reads.

    Args:
        log_dir: directory of the logs.
        embeddings: (N, D).
        labels: N names or numbers; tabs and line breaks become spaces.
        images: (N, S, S, 3) uint8 thumbnails, or None.
        most: points; of more, as many are taken, evenly spread.

    Returns: the projector's configuration file.

    >>> import tempfile
    >>> write_projector(tempfile.mkdtemp(), np.eye(3), ["a", "b", "c"]).name
    'projector_config.pbtxt'
    """
    from PIL import Image

    keep = np.linspace(0, len(embeddings) - 1, min(most, len(embeddings))).round().astype(int)
    if images is not None:
        keep = keep[: (SPRITE_SIDE // images.shape[1]) ** 2]
    folder = Path(log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ("\t".join(f"{value:.6g}" for value in row) for row in embeddings[keep])
    (folder / "embeddings.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    names = (" ".join(str(labels[index]).split()) for index in keep)
    (folder / "labels.tsv").write_text("\n".join(names) + "\n", encoding="utf-8")
    config = [
        "embeddings {",
        '  tensor_name: "embedding"',
        '  tensor_path: "embeddings.tsv"',
        '  metadata_path: "labels.tsv"',
    ]
    if images is not None:
        Image.fromarray(_sprite(images[keep])).save(folder / "sprite.png")
        height, width = images.shape[1:3]
        config += [
            "  sprite {",
            '    image_path: "sprite.png"',
            f"    single_image_dim: {width}",
            f"    single_image_dim: {height}",
            "  }",
        ]
    file = folder / "projector_config.pbtxt"
    file.write_text("\n".join([*config, "}"]) + "\n", encoding="utf-8")
    return file


def _sprite(images: np.ndarray) -> np.ndarray:
    """Thumbnails in rows of a square."""
    side = math.ceil(math.sqrt(len(images)))
    count, height, width, channels = images.shape
    grid = np.zeros((side * side, height, width, channels), "uint8")
    grid[:count] = images
    grid = grid.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(side * height, side * width, channels)
