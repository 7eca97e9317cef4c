"""What is measured: each heavy loss, its input and its peer."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

import keras
import peers
import tensorflow as tf
from losses import Case
from steps import (
    binary_classifiers,
    boxes,
    class_ids,
    classifiers,
    deep_features,
    discs,
    embeddings,
    masks,
    million_classes,
    normalised,
    pictures,
    pixels,
    sequences,
    sim_clr,
    sorted_classes,
    views,
)

import lossforge

KERAS = f"keras {keras.__version__}"
KERAS_CV = f"keras-cv {importlib.metadata.version('keras-cv')}"
TENSORFLOW = f"tensorflow {tf.__version__}"
OURS = f"lossforge {lossforge.__version__}"
ADDONS = "tensorflow-addons 0.23's algorithm, O(B^3)"
ADDONS_HARD = "tensorflow-addons 0.23's algorithm"
SIMILARITY = "tensorflow-similarity 0.17's algorithm"
SCIPY = f"scipy {importlib.metadata.version('scipy')} distance transforms"


def faster(times: float) -> Callable[[float, float, float], bool]:
    return lambda speed, lean, megabytes: speed >= times


def below(limit: float) -> Callable[[float, float, float], bool]:
    return lambda speed, lean, megabytes: megabytes < limit


def both(times: float, leaner: float) -> Callable[[float, float, float], bool]:
    return lambda speed, lean, megabytes: speed >= times and lean >= leaner


CASES = {
    "focal": Case(
        "classification",
        "65536 x 150 logits",
        f"{KERAS} SparseCategoricalCrossentropy",
        classifiers(
            lossforge.Focal(from_logits=True),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ),
        "at most 1.3x its time, 2x its memory",
        both(1 / 1.3, 0.5),
    ),
    "focal_of_keras": Case(
        "classification",
        "65536 x 150 logits",
        f"{KERAS} CategoricalFocalCrossentropy",
        classifiers(
            lossforge.Focal(from_logits=True),
            lambda y, x: keras.losses.CategoricalFocalCrossentropy(from_logits=True, alpha=1.0)(
                tf.one_hot(y, 150), x
            ),
        ),
        "at most its time and memory",
        both(1, 1),
        agree=True,
    ),
    "focal_sigmoid": Case(
        "classification",
        "100000 x 80 logits",
        f"{KERAS} BinaryFocalCrossentropy",
        binary_classifiers,
        "at most 1.3x its time, its memory",
        both(1 / 1.3, 0.95),
        agree=True,
    ),
    "dice": Case(
        "segmentation",
        "8 x 256 x 256 x 21 masks",
        f"{KERAS} Dice",
        masks(lossforge.Dice(), keras.losses.Dice(axis=(1, 2, 3))),
        "at most its time and memory",
        both(1, 1),
    ),
    "dice_of_ids": Case(
        "segmentation",
        "8 x 256 x 256 class ids, 21",
        f"{KERAS} Dice of one-hot ids",
        class_ids(
            lossforge.Dice(),
            lambda y, p: keras.losses.Dice(axis=(1, 2, 3))(tf.one_hot(y, 21), p),
        ),
        "at most its time, below 50 MB",
        lambda speed, lean, megabytes: speed >= 1 and megabytes <= 50,
    ),
    "tversky": Case(
        "segmentation",
        "8 x 256 x 256 x 21 masks",
        f"{OURS} Dice",
        masks(lossforge.Tversky(), lossforge.Dice()),
        "at Dice's cost, within 15 %",
        faster(1 / 1.15),
    ),
    "tversky_of_keras": Case(
        "segmentation",
        "8 x 256 x 256 x 21 masks",
        f"{KERAS} Tversky",
        masks(lossforge.Tversky(), keras.losses.Tversky(axis=(1, 2, 3))),
        "at most 0.6x its time, and leaner",
        both(1 / 0.6, 1),
    ),
    "lovasz": Case(
        "segmentation",
        "2 x 256 x 256 ids, 15",
        "kornia's loop over classes",
        sorted_classes,
        "at least 2.5x faster",
        faster(2.5),
        agree=True,
    ),
    "hausdorff": Case(
        "segmentation",
        "4 x 128 x 128 x 2 masks",
        SCIPY,
        discs,
        "at most its time",
        faster(1),
        agree=True,
    ),
    "triplet": Case(
        "embedding",
        "B = 512, semi-hard",
        ADDONS,
        embeddings(512, lossforge.Triplet(), peers.semi_hard_triplet),
        "at least 20x faster, 60x leaner",
        both(20, 60),
        agree=True,
    ),
    "triplet_4096": Case(
        "embedding",
        "B = 4096, semi-hard",
        "none: (B^2, B) numbers are 256 GiB",
        embeddings(4096, lossforge.Triplet()),
        "below 2 GB",
        below(2000),
    ),
    "triplet_hard": Case(
        "embedding",
        "B = 2048, batch-hard",
        ADDONS_HARD,
        embeddings(2048, lossforge.Triplet(strategy="hard"), peers.hard_triplet),
        "at most its time",
        faster(1),
        agree=True,
    ),
    "triplet_all": Case(
        "embedding",
        "B = 2048, all triplets",
        "none: (B^2, B) numbers are 32 GiB",
        embeddings(2048, lossforge.Triplet(strategy="all")),
        "below 1 GB",
        below(1000),
    ),
    "lifted": Case(
        "embedding",
        "B = 512",
        ADDONS,
        embeddings(512, lossforge.Lifted(), peers.lifted),
        "at least 100x faster",
        faster(100),
        agree=True,
    ),
    "multi_similarity": Case(
        "embedding",
        "B = 2048",
        SIMILARITY,
        embeddings(2048, lossforge.MultiSimilarity(), peers.multi_similarity),
        "at most its time, 0.6x its memory",
        both(1, 1 / 0.6),
        agree=True,
    ),
    "soft_neighbours": Case(
        "embedding",
        "B = 2048",
        SIMILARITY,
        embeddings(2048, normalised(lossforge.NCA()), normalised(peers.soft_nearest_neighbour)),
        "at most its time",
        faster(1),
        agree=True,
    ),
    "smooth_ap": Case(
        "embedding",
        "B = 512",
        "none: B^3 sigmoids are 0.5 GB a tensor",
        embeddings(512, lossforge.SmoothAP()),
        "below 1 GB",
        below(1000),
    ),
    "circle": Case(
        "embedding",
        "B = 2048",
        f"{KERAS} Circle",
        embeddings(2048, lossforge.Circle(), normalised(keras.losses.Circle(gamma=80.0))),
        "at most its time, 0.6x its memory",
        both(1, 1 / 0.6),
    ),
    "ntxent": Case(
        "contrastive",
        "2 x 2048 views, chunk 512",
        f"{KERAS_CV} SimCLRLoss",
        views(2048, lossforge.NTXent(chunk=512), sim_clr),
        "at most its time and memory",
        both(1, 1),
        agree=True,
    ),
    "ntxent_4096": Case(
        "contrastive",
        "2 x 4096 views, chunk 256",
        "none",
        views(4096, lossforge.NTXent(chunk=256)),
        "below 250 MB",
        below(250),
    ),
    "supcon_8192": Case(
        "contrastive",
        "2 x 4096 views, chunk 512",
        "none",
        embeddings(8192, lossforge.SupCon(chunk=512)),
        "below 250 MB",
        below(250),
    ),
    "barlow_twins": Case(
        "contrastive",
        "512 x 2048",
        SIMILARITY,
        views(512, lossforge.BarlowTwins(), peers.barlow_twins, width=2048),
        "at most its time and memory",
        both(1, 1),
        agree=True,
    ),
    "vicreg": Case(
        "contrastive",
        "512 x 2048",
        SIMILARITY,
        views(512, lossforge.VICReg(), peers.vicreg, width=2048),
        "at most its time and memory",
        both(1, 1),
        agree=True,
    ),
    "ssim": Case(
        "image",
        "8 x 256 x 256 x 3",
        f"{TENSORFLOW} tf.image.ssim",
        pictures(lossforge.SSIM(), lambda x, y: 1.0 - tf.reduce_mean(tf.image.ssim(x, y, 1.0))),
        "at least 1.5x faster",
        faster(1.5),
        agree=True,
    ),
    "multi_scale_ssim": Case(
        "image",
        "8 x 256 x 256 x 3",
        f"{TENSORFLOW} tf.image.ssim_multiscale",
        pictures(
            lossforge.MultiScaleSSIM(),
            lambda x, y: 1.0 - tf.reduce_mean(tf.image.ssim_multiscale(x, y, 1.0)),
        ),
        "at least 1.5x faster",
        faster(1.5),
        agree=True,
    ),
    "lpips": Case(
        "image",
        "2 x 128 x 128 x 3",
        "its network alone",
        deep_features,
        "at most 5 % more time",
        faster(1 / 1.05),
    ),
    "ohem": Case(
        "classification",
        "2097152 pixels, keep 1e5",
        f"{TENSORFLOW} tf.math.top_k",
        pixels(lambda x, k: tf.math.top_k(x, k, sorted=False).values),
        "at least 2x faster",
        faster(2),
        agree=True,
    ),
    "ohem_of_sort": Case(
        "classification",
        "2097152 pixels, keep 1e5",
        f"{TENSORFLOW} tf.sort",
        pixels(lambda x, k: tf.sort(x, direction="DESCENDING")[:k]),
        "at least 10x faster",
        faster(10),
        agree=True,
    ),
    "partial_fc": Case(
        "embedding",
        "64 x 128 x 1e6 classes",
        f"{OURS} ArcFace over all classes",
        lambda: million_classes(10),
        "at least 5x faster with a tenth",
        faster(5),
    ),
    "partial_fc_percent": Case(
        "embedding",
        "64 x 128 x 1e6 classes",
        f"{OURS} ArcFace over all classes",
        lambda: million_classes(100),
        "at least 40x faster with a hundredth",
        faster(40),
    ),
    "giou": Case(
        "boxes",
        "4000 boxes",
        f"{KERAS_CV} GIoULoss, O(N^2)",
        boxes(4000, lossforge.GIoU(), "GIoULoss"),
        "at least 200x faster",
        faster(200),
        agree=True,
    ),
    "ciou": Case(
        "boxes",
        "100000 boxes",
        f"{KERAS_CV} CIoULoss",
        boxes(100_000, lossforge.CIoU(), "CIoULoss"),
        "at most its time",
        faster(1),
    ),
    "ctc": Case(
        "sequence",
        "32 x 200 x 64",
        f"{KERAS} CTC",
        sequences,
        "faster",
        faster(1),
    ),
}
