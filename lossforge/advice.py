"""Which loss to begin with, from what the data looks like: rules of the literature, and why."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

EXAMPLES = 5_000  # looked at, at most
NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True)
class Advice:
    """A recommendation for one slot, or, without a loss, something to mind.

    Args:
        slot: of the recipe; "" for what is not about one slot.
        loss: as text, or "".
        reason: why, with the numbers that were seen.
        source: the paper.
        search: what is worth trying beside it, in words.
    """

    slot: str
    loss: str
    reason: str
    source: str = ""
    search: str = ""


def on_classes(
    counts: Sequence[int], noise: float | None = None, slot: str = "classes"
) -> list[Advice]:
    """Advice on a classification with so many examples of each class.

    Args:
        counts: examples of each class, in the order of the labels.
        noise: an estimate of the share of wrong labels, 0..1, or None.

    >>> on_classes([995, 5])[0].loss
    'LogitAdjusted(class_counts=(995, 5), tau=1.0)'
    >>> on_classes([500, 450])[0].loss
    'CrossEntropy()'
    """
    counts = [int(count) for count in counts]
    there = [count for count in counts if count]
    ratio = max(there) / min(there)
    advice: list[Advice] = []
    if noise is not None and noise > 0.15:
        advice.append(_noisy(slot, noise))
    if ratio < 3.0:
        if not advice:
            reason = f"The classes are even (largest {ratio:.1f} times the smallest)."
            advice.append(Advice(slot, "CrossEntropy()", reason, search="label_smoothing 0 to 0.2"))
        return advice
    return [*_uneven(slot, counts, ratio), *advice]


def _noisy(slot: str, noise: float) -> Advice:
    return Advice(
        slot,
        "GeneralisedCrossEntropy(q=0.7)",
        f"About {noise:.0%} of the labels disagree with those of their nearest neighbours: wrong "
        "labels, or classes that the raw inputs do not tell apart. If they are wrong labels, "
        "cross-entropy learns them by heart.",
        "Zhang and Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks "
        "with Noisy Labels",
        "q 0.3 to 1; SymmetricCrossEntropy",
    )


def _uneven(slot: str, counts: list[int], ratio: float) -> Iterator[Advice]:
    total, rarest = sum(counts), min(count for count in counts if count)
    share = rarest / total
    yield Advice(
        slot,
        f"LogitAdjusted(class_counts={tuple(max(count, 1) for count in counts)}, tau=1.0)",
        f"The largest class has {ratio:.0f} times the examples of the smallest ({share:.2%} of all)"
        ". Shifting logits by the classes' frequencies is consistent with balanced accuracy; "
        "weights alone are not once the training data is fitted.",
        "Menon et al. 2021, Long-Tail Learning via Logit Adjustment",
        "tau 0.5 to 2, by magnitude",
    )
    beta = 1.0 - 1.0 / max(counts)
    yield Advice(
        slot,
        f"ClassBalanced(class_counts={tuple(max(c, 1) for c in counts)}, beta={beta:.6g})",
        "Second choice, and where scores must stay calibrated between classes: weights by the "
        "effective number of examples. beta = 1 - 1/N for N the largest class.",
        "Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples",
        "1 - beta 1e-5 to 1e-2, by magnitude; gamma 0 to 2",
    )
    if share < 0.05:
        yield Advice(
            slot,
            "Focal(gamma=2.0)",
            "Third choice: easy examples of the frequent class stop to matter.",
            "Lin et al. 2017, Focal Loss for Dense Object Detection",
            "gamma 0.5 to 5, alpha 0.25 to 0.9",
        )
        yield Advice(
            "",
            "",
            f"Start the bias of the last layer at log of the classes' shares ({_logs(counts)}): "
            "otherwise the first steps only learn the frequencies.",
            "Lin et al. 2017, section 4.1",
        )
        yield Advice(
            "",
            "",
            f"Do not judge by accuracy: always saying the largest class gives "
            f"{max(counts) / total:.1%}. Use balanced accuracy or average precision.",
        )
    if rarest < 20:
        yield Advice(
            "",
            "",
            f"The rarest class has {rarest} examples: its recall moves in steps of "
            f"{1 / rarest:.0%}, so compare losses over several seeds (lossforge compare).",
        )


def _logs(counts: Iterable[int]) -> str:
    counts = list(counts)
    return ", ".join(f"{math.log(max(c, 1) / sum(counts)):.2f}" for c in counts[:6])


def on_boxes(
    counts: Sequence[int], sides: np.ndarray, per_image: float, image_size: int
) -> list[Advice]:
    """Advice on detection.

    Args:
        counts: objects of each class.
        sides: (N,) geometric means of the boxes' sides, pixels.
        per_image: objects in an image, on average.
        image_size: side of the images, pixels.
    """
    small = float(np.mean(sides < 16.0))
    middle = float(np.median(sides))
    ratio = max(counts) / max(1, min(c for c in counts if c))
    seen = f"{per_image:.1f} objects an image, sides of {middle:.0f} px in the middle"
    classification = Advice(
        "classification",
        "Focal(gamma=2.0, alpha=0.25)",
        f"{seen}: nearly all anchors are background, which focusing silences."
        + (f" Classes differ {ratio:.0f}-fold as well." if ratio >= 3 else ""),
        "Lin et al. 2017, Focal Loss for Dense Object Detection",
        "gamma 1 to 3, alpha 0.25 to 0.75; QualityFocal and Varifocal",
    )
    if small > 0.5:
        box = Advice(
            "box",
            "NWD()",
            f"{small:.0%} of the objects have sides below 16 px, where a shift of a pixel or two "
            "takes the overlap to 0; a distance of Gaussians does not jump.",
            "Wang et al. 2021, A Normalized Gaussian Wasserstein Distance for Tiny Objects",
            "NWD, DIoU, CIoU, SmoothL1",
        )
    else:
        box = Advice(
            "box",
            "CIoU()",
            f"Only {small:.0%} of the objects have sides below 16 px: overlap is what the metric "
            "counts, and this form still has a gradient where boxes do not touch.",
            "Zheng et al. 2020, Distance-IoU Loss",
            "GIoU, DIoU, CIoU, EIoU, SmoothL1; weight 0.5 to 4 against the classification",
        )
    prior = Advice(
        "",
        "",
        "Start the bias of the class head at -log((1 - 0.01) / 0.01) = -4.6 (the detectors here "
        "do).",
        "Lin et al. 2017, section 4.1",
    )
    return [classification, box, prior]


def on_identities(counts: Sequence[int], slot: str = "embedding") -> list[Advice]:
    """Advice on metric learning with so many examples of each identity."""
    classes, middle = len(counts), float(np.median(counts))
    pairs = sum(count * (count - 1) // 2 for count in counts)
    if pairs == 0:
        return on_views("No identity has two examples", slot)
    seen = f"{classes} identities, {middle:.0f} examples each in the middle, {pairs} pairs. "
    margin = on_a_head(seen, classes, slot)
    pairwise = Advice(
        slot,
        "SupCon(temperature=0.1)",
        f"{seen}All pairs of a batch of several examples an identity.",
        "Khosla et al. 2020, Supervised Contrastive Learning",
        "temperature 0.05 to 0.5, by magnitude; MultiSimilarity, Triplet with margin 0.1 to 0.5",
    )
    return [margin, pairwise] if classes >= 1000 and middle < 50 else [pairwise, margin]


def on_a_head(seen: str, classes: int, slot: str = "embedding") -> Advice:
    """Advice on margin softmax over so many identities."""
    scale = math.sqrt(2.0) * math.log(max(2, classes - 1))
    return Advice(
        slot,
        f"ArcFace(margin=0.3, scale={max(scale, 8.0):.1f})",
        f"{seen}A classifier over identities uses all of them in each step; scale = "
        "sqrt(2) log(C - 1), at least 8. It needs the cosine head of recipes/arcface.py.",
        "Deng et al. 2019, ArcFace; the scale: Zhang et al. 2019, AdaCos",
        "margin 0.1 to 0.5, scale 8 to 64, by magnitude",
    )


def on_views(seen: str, slot: str = "views") -> list[Advice]:
    """Advice on learning from two views of each example.

    Args:
        seen: what the data lacks, or has.
        slot: of the recipe.
    """
    return [
        Advice(
            slot,
            "NTXent(temperature=0.1)",
            f"{seen}: positive pairs must come from two views of one. The temperature falls with "
            "the size of the batch; with few others in a batch, search from 0.5 on down.",
            "Chen et al. 2020, A Simple Framework for Contrastive Learning",
            "temperature 0.05 to 0.5, by magnitude; VICReg, which needs no others in the batch",
        )
    ]


BESIDE_IMAGES = {
    "edges": Advice(
        "edges",
        "0.3*MAE()",
        "Edges are few of the pixels; their own term keeps the mean from being decided by skies.",
        "Ronneberger et al. 2015, U-Net, equation 1 (a weight a pixel)",
        "weight 0 to 1, against 1 of the slot image",
    ),
    "perceptual": Advice(
        "perceptual",
        "0.02*Perceptual(layers=['block3_conv3'], power=1)",
        "Pixels alone blur what they cannot know. Begin with them, and let features in later "
        "(LossWarmup), so small that the pixel term falls on.",
        "Johnson et al. 2016, Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
        "weight 0.005 to 0.2, by magnitude",
    ),
    "critic": Advice(
        "critic",
        "0.001*NonSaturatingGAN()",
        "A discriminator comes in last (LossWarmup), as weak as in its first paper.",
        "Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a GAN",
        "weight 1e-4 to 1e-2, by magnitude; HingeGAN, RelativisticGAN",
    ),
}


def on_images(images: np.ndarray, slot: str = "image") -> list[Advice]:
    """Advice on image restoration, from target images (N, H, W, C), 0..255."""
    noise = float(np.median([noise_of(image) for image in images]))
    seen = f"The targets hold noise of about {noise:.1f} grey levels. "
    if noise > 5.0:
        return [
            Advice(
                slot,
                "Charbonnier()",
                f"{seen}What is not predictable should not be sharpened: no perceptual term, and "
                "an error that grows slower than its square.",
                "Lai et al. 2017, Deep Laplacian Pyramid Networks",
                "Charbonnier, Huber; weight of SSIM 0 to 0.5",
            )
        ]
    return [
        Advice(
            slot,
            "Charbonnier() + 0.1*MultiScaleSSIM()",
            f"{seen}They are clean, so structure may count beside the error a pixel.",
            "Zhao et al. 2017, Loss Functions for Image Restoration with Neural Networks",
            "weight of the second term 0.01 to 1, by magnitude",
        )
    ]


def noise_of(image: np.ndarray) -> float:
    """Standard deviation of the noise in an image (H, W) or (H, W, C), in its own unit.

    The mean absolute answer to a Laplacian difference that structure hardly moves.
    Source: Immerkaer 1996, Fast Noise Variance Estimation.

    >>> rng = np.random.default_rng(0)
    >>> bool(9.0 < noise_of(128 + rng.normal(0, 10, (64, 64))) < 11.0)
    True
    """
    from scipy.ndimage import convolve

    image = np.asarray(image, float)
    grey = image.mean(axis=-1) if image.ndim == 3 else image
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float)
    answer = convolve(grey, kernel)[1:-1, 1:-1]
    return float(math.sqrt(math.pi / 2.0) * np.mean(np.abs(answer)) / 6.0)


def label_noise(inputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose label is not that of most of their neighbours: a rough upper bound
    of wrong labels, for inputs whose distance means something.

    >>> x = np.repeat([[0.0], [10.0]], 20, axis=0) + np.linspace(0, 1, 40)[:, None]
    >>> label_noise(x, np.repeat([0, 1], 20))
    0.0
    """
    from sklearn.neighbors import KNeighborsClassifier

    flat = np.asarray(inputs, float).reshape(len(inputs), -1)
    near = KNeighborsClassifier(min(NEIGHBOURS, len(flat) - 1) + 1).fit(flat, labels)
    around = labels[near.kneighbors(flat, return_distance=False)[:, 1:]]
    agree = (around == labels[:, None]).mean(axis=1)
    return float(np.mean(agree < 0.5))


def on_task(slots: Mapping[str, Any], dataset: Any) -> list[Advice]:
    """Advice on a recipe's slots from a look at its training data (up to 5,000 examples)."""
    inputs, targets = look(dataset)
    if "box" in slots:
        labels, boxes = np.concatenate(targets["labels"]), np.concatenate(targets["boxes"])
        real = labels >= 0
        sides = np.sqrt(np.prod(boxes[real][:, 2:] - boxes[real][:, :2], axis=1))
        counts = np.bincount(labels[real]).tolist()
        size = np.asarray(inputs[0]).shape[0]
        return on_boxes(counts, sides, float(real.sum()) / len(targets["labels"]), size)
    if "" not in targets:  # targets by the name of the slot
        found: list[Advice] = []
        for slot in slots:
            values = np.asarray(targets.get(slot, ()))
            if values.ndim == 1 and len(values) and np.issubdtype(values.dtype, np.integer):
                found += on_classes(np.bincount(values).tolist(), None, slot)
        return found
    values = np.asarray(targets[""])
    if "views" in slots:
        return on_views("The targets hold no label")
    if "embedding" in slots:
        counts = np.unique(values, return_counts=True)[1]
        if counts.max() == 1:
            return [on_a_head("Batches have one example an identity. ", len(counts))]
        return on_identities(counts.tolist())
    if values.ndim == 1 and np.issubdtype(values.dtype, np.integer):
        slot = next(iter(slots))
        numeric = np.issubdtype(np.asarray(inputs[0]).dtype, np.number)
        noise = label_noise(np.asarray(inputs), values) if numeric and len(values) > 20 else None
        return on_classes(np.bincount(values).tolist(), noise, slot)
    if values.ndim == 4:
        beside = [BESIDE_IMAGES[slot] for slot in slots if slot in BESIDE_IMAGES]
        return [*on_images(values[:50], next(iter(slots))), *beside]
    return []


def look(dataset: Any) -> tuple[list[np.ndarray], dict[str, list[np.ndarray]]]:
    """Inputs and targets, one an example; targets by name, "" where there is one without."""
    inputs: list[np.ndarray] = []
    targets: dict[str, list[np.ndarray]] = {}
    for batch in dataset:
        x, y = batch[0], batch[1]
        x = next(iter(x.values())) if isinstance(x, Mapping) else x
        x = x[0] if isinstance(x, tuple) else x
        inputs += list(np.asarray(x))
        for name, value in (y if isinstance(y, Mapping) else {"": y}).items():
            targets.setdefault(name, []).extend(np.asarray(value))
        if len(inputs) >= EXAMPLES:
            break
    return inputs, targets
