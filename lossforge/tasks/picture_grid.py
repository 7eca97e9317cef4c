"""Pictures side by side, with a caption under each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

GAP = 6
LINE = 15  # pixels of a line of text
TEXT = 12


def picture_row(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """One row of pictures on white, each with its name under it.

    Args:
        columns: caption -> (H, W, 3) uint8; a caption may have several lines.

    Returns: (H', W', 3) uint8.

    >>> row = picture_row({"black": np.zeros((20, 100, 3), "uint8")})
    >>> row.shape[1] >= 100 and row[0, 0].tolist() == [255, 255, 255]
    True
    """
    from PIL import Image, ImageDraw, ImageFont

    lines = max(caption.count("\n") + 1 for caption in columns)
    height = max(len(image) for image in columns.values()) + 2 * GAP + lines * LINE
    width = sum(image.shape[1] + GAP for image in columns.values()) + GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    left = GAP
    for caption, image in columns.items():
        sheet.paste(Image.fromarray(image), (left, GAP))
        draw.multiline_text((left, len(image) + GAP + 2), caption, "black", font, spacing=2)
        left += image.shape[1] + GAP
    return np.asarray(sheet)


def stacked(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of pictures under each other, filled up with white."""
    width = max(row.shape[1] for row in rows)
    room = [((0, 0), (0, width - row.shape[1]), (0, 0)) for row in rows]
    filled = [np.pad(r, w, constant_values=255) for r, w in zip(rows, room, strict=True)]
    return np.concatenate(filled)


def error_map(y_true: np.ndarray, y_pred: np.ndarray, gain: float = 4.0) -> np.ndarray:
    """Grey where two pictures are equal, lighter or darker where one is."""
    difference = y_pred.astype("float32").mean(-1) - y_true.astype("float32").mean(-1)
    grey = np.clip(np.round(127.5 + gain * difference), 0, 255).astype("uint8")
    return np.repeat(grey[..., None], 3, axis=-1)
