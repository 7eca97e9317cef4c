"""Boxes drawn on images, and images side by side. NumPy in, NumPy out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TRUTH = (40, 220, 60)
COLOURS = ((230, 60, 60), (70, 130, 250), (240, 170, 30), (190, 80, 220), (30, 200, 210))
LINE = 11  # pixels of a line of text
WRITTEN = 20  # classes of which a matrix shows names and counts


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
    scale: int = 1,
) -> np.ndarray:
    """An image with boxes and a text at each.

    Args:
        image: (H, W, 3), 0..255.
        boxes: (N, 4), x1 y1 x2 y2 in pixels of `image`.
        texts: N of them, "" for none.
        colours: N of them, red green blue, 0..255.
        scale: how many times larger the picture is than the image, so that text can be read.

    Returns: uint8 (scale * H, scale * W, 3).

    >>> draw_boxes(np.zeros((8, 8, 3)), np.array([[1, 1, 6, 6]]), ["a"], [TRUTH], scale=4).shape
    (32, 32, 3)
    """
    from PIL import Image, ImageDraw

    pixels = np.clip(np.rint(np.asarray(image)), 0, 255).astype("uint8")
    height, width = pixels.shape[:2]
    picture = Image.fromarray(pixels).resize((width * scale, height * scale))
    pen = ImageDraw.Draw(picture)
    for box, text, colour in zip(np.asarray(boxes) * scale, texts, colours, strict=True):
        pen.rectangle([float(v) for v in box], outline=colour, width=max(1, scale // 2))
        if text:
            corner = (float(box[0]) + 2, max(0.0, float(box[1]) - LINE))
            pen.rectangle(pen.textbbox(corner, text), fill=(0, 0, 0))
            pen.text(corner, text, fill=colour)
    return np.asarray(picture)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """How often each class (a row) is taken for each (a column): shares of the row as colours, and
    counts where there is room for them.

    Args:
        labels, predicted: (N,) class ids.
        names: one a class.

    Returns: uint8 (H, W, 3).

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), ["a", "b"]).shape[2]
    3
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = len(names)
    counts = np.zeros((size, size), int)
    np.add.at(counts, (labels, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(10.0, 2.0 + 0.4 * size)
    figure = Figure((side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set(xlabel="predicted", ylabel="true")
    if size <= WRITTEN:
        axes.set_xticks(range(size), names, rotation=90)
        axes.set_yticks(range(size), names)
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def grid(images: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Images of one size in rows, white between them.

    >>> grid([np.zeros((2, 3, 3), "uint8")] * 3, columns=2, gap=1).shape
    (5, 7, 3)
    """
    if not images:
        raise ValueError("grid needs at least one image.")
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    whole = np.full(shape, 255, "uint8")
    for number, image in enumerate(images):
        top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
        whole[top : top + height, left : left + width] = image
    return whole
