"""What is measured: each heavy loss, its input and its peer."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import peers
import tensorflow as tf
from losses import Case

import lossforge
from lossforge.losses.largest import kth_largest

KERAS = f"keras {keras.__version__}"
KERAS_CV = f"keras-cv {importlib.metadata.version('keras-cv')}"
TENSORFLOW = f"tensorflow {tf.__version__}"
OURS = f"lossforge {lossforge.__version__}"
ADDONS = "tensorflow-addons 0.23's algorithm, O(B^3)"
ADDONS_HARD = "tensorflow-addons 0.23's algorithm"
SIMILARITY = "tensorflow-similarity 0.17's algorithm"
SCIPY = f"scipy {importlib.metadata.version('scipy')} distance transforms"


class Step:
    """A compiled loss of constant targets, with its gradient for the variables."""

    def __init__(self, loss: Callable, y_true: Any, *variables: Any) -> None:
        self.y_true = tf.convert_to_tensor(y_true)
        self.variables = [tf.convert_to_tensor(v) for v in variables]

        @tf.function
        def value_and_gradients(y_true, *variables):
            with tf.GradientTape() as tape:
                tape.watch(variables)
                value = loss(y_true, *variables)
            return value, tape.gradient(value, variables)

        self.function = value_and_gradients

    def trace(self) -> None:
        self.function.get_concrete_function(self.y_true, *self.variables)

    def __call__(self) -> Any:
        return self.function(self.y_true, *self.variables)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


def classifiers(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        labels, logits = np.random.default_rng(0).integers(0, 150, 65536), numbers(65536, 150)
        return [Step(loss, labels, logits) for loss in (ours, theirs)]

    return steps


def masks(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        rng = np.random.default_rng(0)
        ids = rng.integers(0, 21, (8, 256, 256))
        y, p = np.eye(21, dtype="float32")[ids], rng.random((8, 256, 256, 21), dtype="float32")
        return [Step(loss, y, p) for loss in (ours, theirs)]

    return steps


def class_ids(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        rng = np.random.default_rng(0)
        ids = rng.integers(0, 21, (8, 256, 256)).astype("int32")
        p = rng.random((8, 256, 256, 21), dtype="float32")
        return [Step(loss, ids, p) for loss in (ours, theirs)]

    return steps


def binary_classifiers() -> list[Step]:
    labels = (np.random.default_rng(0).random((100_000, 80)) < 0.05).astype("float32")
    ours = lossforge.Focal(task="multilabel", alpha=0.25, from_logits=True)
    theirs = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True, alpha=0.25, from_logits=True
    )
    return [Step(loss, labels, numbers(100_000, 80)) for loss in (ours, theirs)]


def sorted_classes() -> list[Step]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 15, (2, 256, 256)).astype("int32")
    p = rng.dirichlet(np.ones(15), (2, 256, 256)).astype("float32")
    return [Step(loss, ids, p) for loss in (lossforge.Lovasz(), peers.lovasz_softmax)]


def discs() -> list[Step]:
    """Two discs an image, and a prediction that has them elsewhere."""
    rows, columns = np.mgrid[:128, :128]

    def disc(seed):
        centres = np.random.default_rng(seed).integers(30, 98, (4, 2, 2))
        away = (rows - centres[..., :1, None]) ** 2 + (columns - centres[..., 1:, None]) ** 2
        return np.moveaxis(away < 900, 1, -1).astype("float32")

    y, p = disc(0), 0.1 + 0.8 * disc(1)
    return [Step(loss, y, p) for loss in (lossforge.HausdorffDistance(), peers.hausdorff_distance)]


def embeddings(size: int, *losses: Callable) -> Callable[[], list[Step]]:
    """Class ids, four examples a class, and embeddings of 128 numbers."""

    def steps():
        return [Step(f, np.arange(size, dtype="int32") // 4, numbers(size, 128)) for f in losses]

    return steps


def views(size: int, *losses: Callable, width: int = 128) -> Callable[[], list[Step]]:
    """Two views of `width` numbers, both with a gradient."""

    def of(loss):
        x, y = numbers(size, width), numbers(size, width, seed=1)
        return Step(lambda _, x, y: loss(x, y), 0, x, y)

    return lambda: [of(loss) for loss in losses]


def pictures(ours: Callable, theirs: Callable) -> Callable[[], list[Step]]:
    def steps():
        x = np.random.default_rng(0).random((8, 256, 256, 3)).astype("float32")
        y = np.clip(x + 0.1 * numbers(8, 256, 256, 3), 0.0, 1.0)
        return [Step(loss, x, y) for loss in (ours, theirs)]

    return steps


def pixels(theirs: Callable) -> Callable[[], list[Step]]:
    """The mean of the hardest pixels; the peer takes (values, how many) to the largest."""
    kept, values = 100_000, np.square(numbers(2_097_152))

    def ours(_, x):
        return tf.reduce_sum(tf.where(x >= tf.stop_gradient(kth_largest(x, kept)), x, 0.0)) / kept

    def mean(_, x):
        return tf.reduce_mean(theirs(x, kept))

    return lambda: [Step(loss, 0, values) for loss in (ours, mean)]


def deep_features() -> list[Step]:
    """LPIPS, and the network alone on both images with a gradient for one."""
    ours = lossforge.LPIPS(backbone="vgg16", weights=None)
    network = lossforge.heads.feature_extractor.FeatureExtractor(
        backbone="vgg16", layers=ours.layers, weights=None
    )
    network.build()

    def theirs(y_true, y_pred):
        both = zip(network(y_true), network(y_pred), strict=True)
        return tf.add_n([tf.reduce_mean(tf.stop_gradient(a) * b) for a, b in both])

    x = np.random.default_rng(0).random((2, 128, 128, 3)).astype("float32")
    return [Step(loss, x, np.flip(x, 1).copy()) for loss in (ours, theirs)]


def million_classes(share: int) -> list[Step]:
    """The margin softmax over one in `share` classes, and over all of them."""
    classes, labels = 1_000_000, np.arange(64, dtype="int32") * 15_000
    head = lossforge.heads.SampledCosineHead(classes, sampled=classes // share, seed=0)
    head.build([(64, 128), (64,)])
    sampled, dense = lossforge.TargetFirst(lossforge.ArcFace()), lossforge.ArcFace()

    def ours(labels, x):
        return sampled(labels, head([x, labels], training=True))

    def theirs(labels, x):
        directions = tf.math.l2_normalize(head.directions.value, -1)
        return dense(labels, tf.matmul(tf.math.l2_normalize(x, -1), directions, transpose_b=True))

    def with_weights(loss):
        step = Step(loss, labels, numbers(64, 128))

        @tf.function
        def value_and_gradients(y_true, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y_true, x)
            return value, tape.gradient(value, [x, head.directions.value])

        step.function = value_and_gradients
        return step

    return [with_weights(loss) for loss in (ours, theirs)]


def boxes(count: int, ours: Callable, theirs: str) -> Callable[[], list[Step]]:
    def steps():
        import keras_cv

        rng = np.random.default_rng(0)
        corners = rng.uniform(0, 0.5, (2, count, 2))
        corners = np.concatenate([corners, corners + rng.uniform(0.1, 0.5, (2, count, 2))], -1)
        peer = getattr(keras_cv.losses, theirs)(bounding_box_format="xyxy")
        return [Step(loss, *corners.astype("float32")) for loss in (ours, peer)]

    return steps


def sequences() -> list[Step]:
    labels = np.random.default_rng(0).integers(1, 64, (32, 20)).astype("int32")
    both = (lossforge.CTC(from_logits=True), keras.losses.CTC())
    return [Step(loss, labels, numbers(32, 200, 64)) for loss in both]


def sim_clr(x: Any, y: Any) -> Any:
    import keras_cv

    return 0.5 * keras_cv.losses.SimCLRLoss(temperature=0.5)(x, y)  # it adds both views


def normalised(loss: Callable) -> Callable:
    return lambda y, x: loss(y, tf.math.l2_normalize(x, axis=-1))


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
