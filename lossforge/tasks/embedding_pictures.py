"""What embeddings look like: a map of the images, and the worst mistakes."""

from __future__ import annotations

import colorsys

import numpy as np

from lossforge.tasks.picture_grid import picture_row, stacked

CANVAS = 1200
FRAME = 2  # pixels


def embedding_map(
    embeddings: np.ndarray,
    labels: np.ndarray,
    images: np.ndarray,
    most: int = 300,
    method: str = "t-SNE",
) -> np.ndarray:
    """The images laid out in the plane so that near embeddings are near, framed by identity.

    Args:
        embeddings: (N, D).
        labels: (N,) identities: one colour of frame each.
        images: (N, S, S, C) in 0..255.
        most: of more images, those of some identities, evenly spread over all of them.
        method: "t-SNE" (scikit-learn), or "UMAP", which needs the package umap-learn.

    Returns: (H, W, 3) uint8. Later images lie over earlier ones.

    Source: van der Maaten and Hinton 2008, Visualizing Data using t-SNE; McInnes, Healy and
        Melville 2018, UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction.
    """
    keep = _some_identities(labels, most)
    places, images = _plane(embeddings[keep], method), coloured(images[keep])
    low, high = places.min(axis=0), places.max(axis=0)
    size = images.shape[1] + 2 * FRAME
    shares = (places - low) / np.where(high > low, high - low, 1.0)
    corners = (shares * (CANVAS - size)).round().astype(int)
    canvas = np.full((CANVAS, CANVAS, 3), 255, "uint8")
    for image, label, (left, top) in zip(images, labels[keep], corners, strict=True):
        canvas[top : top + size, left : left + size] = _frame_colour(label)
        inside = canvas[top + FRAME : top + size - FRAME, left + FRAME : left + size - FRAME]
        inside[:] = image
    return canvas


def _some_identities(labels: np.ndarray, most: int) -> np.ndarray:
    """Rows of whole identities, evenly spread, of about `most` images in all."""
    if len(labels) <= most:
        return np.arange(len(labels))
    names = np.unique(labels)
    count = max(1, round(len(names) * most / len(labels)))
    chosen = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return np.flatnonzero(np.isin(labels, chosen))[:most]


def _frame_colour(label: int) -> tuple[int, ...]:
    """Colours of neighbouring numbers are far from each other: steps of the golden ratio."""
    hue = (int(label) * 0.618034) % 1.0
    return tuple(round(255 * share) for share in colorsys.hsv_to_rgb(hue, 1.0, 0.85))


def hardest_confusions(
    embeddings: np.ndarray, labels: np.ndarray, images: np.ndarray, rows: int = 8, found: int = 4
) -> np.ndarray:
    """Queries whose nearest image is of another identity, the most certain mistakes first.

    One row each: the query, the nearest images with their cosine and whether they are right, and
    the nearest image of the query's own identity.

    Returns: (H, W, 3) uint8; a single query that was found right, where there is no mistake.
    """
    images = coloured(images)
    similar = embeddings @ embeddings.T
    np.fill_diagonal(similar, -np.inf)
    same = labels[:, None] == labels[None, :]
    np.fill_diagonal(same, False)
    own = np.where(same, similar, -np.inf)
    other = np.where(same, -np.inf, similar).max(axis=1)
    excess = np.where(same.any(axis=1), other - own.max(axis=1), -np.inf)
    worst = np.argsort(-excess, kind="stable")[:rows]
    mistakes = worst[excess[worst] > 0]
    worst = mistakes if len(mistakes) else worst[:1]
    sheet = []
    for query in worst:
        columns = {"query": images[query]}
        for place, index in enumerate(np.argsort(-similar[query])[:found], 1):
            word = "right" if same[query, index] else "wrong"
            columns[f"{place}. {similar[query, index]:.2f}\n{word}"] = images[index]
        nearest = int(np.argmax(own[query]))
        columns[f"its own\n{own[query, nearest]:.2f}"] = images[nearest]
        sheet.append(picture_row({name: _enlarged(image) for name, image in columns.items()}))
    return stacked(sheet)


def coloured(images: np.ndarray) -> np.ndarray:
    """(N, S, S, 3) uint8 of images of one channel or three."""
    images = np.clip(np.round(images), 0, 255).astype("uint8")
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def _enlarged(image: np.ndarray, least: int = 96) -> np.ndarray:
    factor = max(1, -(-least // image.shape[0]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def _plane(embeddings: np.ndarray, method: str) -> np.ndarray:
    if len(embeddings) < 4 or np.ptp(embeddings, axis=0).max() < 1e-6:
        return np.stack([np.arange(len(embeddings)), np.zeros(len(embeddings))], axis=1)
    if method == "UMAP":
        from umap import UMAP

        return UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(embeddings)
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    with threadpool_limits(1):  # its threads wait for each other busily: slow on a busy machine
        return TSNE(perplexity=perplexity, random_state=0, init="pca").fit_transform(embeddings)
