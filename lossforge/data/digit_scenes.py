"""Detection scenes: real handwritten digits on real photographs, made offline from a seed."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image, ImageDraw
from scipy import ndimage

from lossforge.data.photographs import Region, photograph_regions, photographs

SPLITS = ("train", "validation", "test")
DIGIT_SHARES = (0.70, 0.15, 0.15)  # of each class's 174 to 183 handwritten digits
MOST_OBJECTS = 5
SIZES = (18 / 96, 40 / 96)  # longer side of a digit's box, as a share of the image's side
FAINT = 0.3  # share of digits that are dark and low in contrast
MOST_OVERLAP = 0.1  # of the smaller of two boxes
VISIBLE = 0.5  # ink that covers more of a pixel than this belongs to the box

# Letters that no digit looks like (A does: a 1 with a foot), as strokes on the digits' own grid:
# x1, y1, x2, y2 in 8 x 8 cells.
LETTERS = (
    ((1.5, 0, 1.5, 7), (1.5, 0, 6, 0), (1.5, 3.5, 5, 3.5), (1.5, 7, 6, 7)),  # E
    ((1.5, 0, 1.5, 7), (1.5, 0, 6, 0), (1.5, 3.5, 5, 3.5)),  # F
    ((1, 0, 1, 7), (6, 0, 6, 7), (1, 3.5, 6, 3.5)),  # H
    ((1.5, 0, 1.5, 7), (6, 0, 1.5, 4), (2.5, 3, 6, 7)),  # K
    ((0.5, 7, 1, 0), (1, 0, 3.5, 5), (3.5, 5, 6, 0), (6, 0, 6.5, 7)),  # M
    ((1, 7, 1, 0), (1, 0, 6, 7), (6, 7, 6, 0)),  # N
    ((0, 0, 1.5, 7), (1.5, 7, 3.5, 2), (3.5, 2, 5.5, 7), (5.5, 7, 7, 0)),  # W
    ((1, 0, 6, 7), (6, 0, 1, 7)),  # X
)


class DigitScenesConfig(tfds.core.BuilderConfig):
    """What the scenes are like. The name follows from the values, so each has its own folder.

    Args:
        train_scenes, validation_scenes, test_scenes: scenes in each split.
        image_size: pixels a side; digits grow with it (18 to 40 px at the default).
        imbalance: objects of class 0 for one of class 9 *in training*, the classes between them
            falling geometrically; 1 is uniform. Validation and test are always uniform.
        seed: another seed, other scenes. Which digits and regions belong to a split never changes.
    """

    def __init__(
        self,
        *,
        train_scenes: int = 1500,
        validation_scenes: int = 200,
        test_scenes: int = 200,
        image_size: int = 96,
        imbalance: float = 1.0,
        seed: int = 0,
    ):
        self.scenes = dict(zip(SPLITS, (train_scenes, validation_scenes, test_scenes), strict=True))
        if min(self.scenes.values()) < 1:
            raise ValueError(f"Every split needs a scene, got {self.scenes}.")
        if image_size < 32:
            raise ValueError(f"image_size must be 32 or more, got {image_size}.")
        if not (np.isfinite(imbalance) and imbalance >= 1):
            raise ValueError(f"imbalance must be 1 or more, got {imbalance}.")
        self.image_size = image_size
        self.imbalance = float(imbalance)
        self.seed = seed
        scenes = "-".join(str(count) for count in self.scenes.values())
        super().__init__(
            name=f"scenes_{scenes}_size_{image_size}_imbalance_{self.imbalance:g}_seed_{seed}"
        )


class DigitScenes(tfds.core.GeneratorBasedBuilder):
    """Scenes of one to five handwritten digits with tight boxes, among distractors.

    The ink is scikit-learn's digits at random scale, rotation, colour and contrast; the ground is
    crops of real photographs; letters and cut-out patches of other photographs distract. Splits
    share no digit and no pixel of a photograph: every example says which it is made of.

    `DigitScenes(config=DigitScenesConfig(imbalance=10), data_dir=...)`; without a config, the
    default one.
    """

    VERSION = tfds.core.Version("1.0.0")  # raise it whenever the scenes change

    def __init__(self, *, config: DigitScenesConfig | None = None, **kwargs):
        super().__init__(config=config or DigitScenesConfig(), **kwargs)

    @tfds.core.utils.classproperty
    @classmethod
    def code_path(cls):  # TFDS's own imports importlib_resources, which it does not require
        return tfds.core.Path(__file__)

    def _info(self):
        size = self.builder_config.image_size
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                    "objects": tfds.features.Sequence(
                        {
                            "bbox": tfds.features.BBoxFeature(),
                            "label": tfds.features.ClassLabel(num_classes=10),
                            "digit": np.int32,  # its row in scikit-learn's digits
                        }
                    ),
                    "crops": tfds.features.Sequence(  # of photographs, in their pixels
                        {
                            "photograph": tfds.features.Text(),
                            "edges": tfds.features.Tensor(shape=(4,), dtype=np.int32),
                        }
                    ),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split):
        config = self.builder_config
        imbalance = config.imbalance if split == "train" else 1.0
        made = scenes(split, config.scenes[split], config.image_size, imbalance, config.seed)
        return ((key, _example(scene)) for key, scene in enumerate(made))


def _example(scene: Scene) -> dict:
    """A scene as the features of the builder."""
    png = io.BytesIO()
    Image.fromarray(scene.image).save(png, "png", compress_level=1)
    png.seek(0)
    corners = scene.boxes / len(scene.image)
    return {
        "image": png,
        "objects": [
            {"bbox": tfds.features.BBox(y1, x1, y2, x2), "label": label, "digit": digit}
            for (x1, y1, x2, y2), label, digit in zip(
                corners.tolist(), scene.labels, scene.digits, strict=True
            )
        ],
        "crops": [
            {"photograph": crop.photograph, "edges": (crop.left, crop.top, crop.right, crop.bottom)}
            for crop in scene.crops
        ],
    }


@functools.cache
def split_digits() -> dict[str, np.ndarray]:
    """Which rows of scikit-learn's digits each split may use, evenly over the classes.

    >>> {split: len(rows) for split, rows in split_digits().items()}
    {'train': 1258, 'validation': 270, 'test': 269}
    """
    _, classes = _digits()
    rng = np.random.default_rng(0)
    parts: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for label in range(10):
        rows = rng.permutation(np.flatnonzero(classes == label))
        cuts = np.round(np.cumsum(DIGIT_SHARES[:-1]) * len(rows)).astype(int)
        for split, part in zip(SPLITS, np.split(rows, cuts), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(part)) for split, part in parts.items()}


@functools.cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Ink (1797, 8, 8) in 0..1 and class (1797,) of the real digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images / 16.0, digits.target


@dataclass(frozen=True)
class Scene:
    """One picture, (S, S, 3) uint8, and what is in it; boxes (N, 4), x1 y1 x2 y2 in pixels."""

    image: np.ndarray
    boxes: np.ndarray
    labels: list[int]
    digits: list[int]
    crops: list[Region]


def scenes(split: str, count: int, size: int, imbalance: float, seed: int) -> Iterator[Scene]:
    """Yields `count` scenes of `size` pixels a side, the same ones for the same arguments."""
    order = SPLITS.index(split)
    rng = np.random.default_rng([seed, order])
    objects = rng.integers(1, MOST_OBJECTS + 1, count)
    labels = np.split(labels_with(imbalance, int(objects.sum()), rng), np.cumsum(objects)[:-1])
    for number in range(count):
        yield paint_scene(split, labels[number], size, np.random.default_rng([seed, order, number]))


def labels_with(imbalance: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` labels 0 to 9 in random order, in numbers that fall geometrically from first to last.

    >>> np.bincount(labels_with(4.0, 230, np.random.default_rng(0))).tolist()
    [42, 36, 30, 27, 22, 20, 16, 14, 13, 10]
    """
    shares = imbalance ** -np.linspace(0, 1, 10)
    edges = np.round(np.cumsum(shares / shares.sum()) * count).astype(int)
    return rng.permutation(np.repeat(np.arange(10), np.diff(edges, prepend=0)))


def paint_scene(split: str, labels: np.ndarray, size: int, rng: np.random.Generator) -> Scene:
    """A photograph, patches of others, then letters and the digits of `labels`, largest first."""
    images, regions = photographs(), photograph_regions()[split]
    ink, classes = _digits()
    own = split_digits()[split]
    canvas, crop = _ground(images, regions, size, rng)
    crops = [crop]
    for _ in range(rng.integers(0, 3)):
        crops.append(_patch(canvas, images, regions, rng))
    letters = rng.integers(0, 3)
    lengths = np.sort(rng.uniform(*SIZES, len(labels)))[::-1] * size
    boxes, digits = np.zeros((0, 4), int), []
    for label, length in zip(labels, lengths, strict=True):
        digits.append(int(rng.choice(own[classes[own] == label])))
        alpha = silhouette(ink[digits[-1]], length, rng)
        left, top, _ = _free_place(alpha.shape, size, boxes, rng)
        box = write(canvas, alpha, left, top, rng, faint=rng.random() < FAINT)
        boxes = np.concatenate([boxes, [box]])
    taken = boxes
    for _ in range(letters):
        alpha = silhouette(_letter(rng), rng.uniform(*SIZES) * size, rng)
        left, top, overlap = _free_place(alpha.shape, size, taken, rng)
        if overlap <= 0:
            box = write(canvas, alpha, left, top, rng, faint=rng.random() < FAINT)
            taken = np.concatenate([taken, [box]])
    noisy = canvas + rng.normal(0, rng.uniform(0, 5), canvas.shape)
    image = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    return Scene(image, boxes, [int(label) for label in labels], digits, crops)


def silhouette(ink: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """Ink of an 8 x 8 grid, enlarged, turned up to 25 degrees, squeezed and cut to what is visible.

    Returns: (h, w) coverage in 0..1; max(h, w) is about `length`, and every edge has a visible
        pixel.
    """
    angle, squeeze = np.radians(rng.uniform(-25, 25)), rng.uniform(0.85, 1.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = turn @ np.diag([1.0, squeeze])  # cells to pixels, before the scale
    rows = forward @ np.argwhere(ink > 0.5).T
    extent = np.ptp(rows, axis=1).max() + 1
    side = int(np.ceil(1.7 * length))
    backward = np.linalg.inv(forward) * extent / length
    middle = (rows.max(axis=1) + rows.min(axis=1)) / 2
    offset = np.linalg.inv(forward) @ middle - backward @ np.full(2, (side - 1) / 2)
    grid = ndimage.affine_transform(
        np.pad(ink, 2), backward, offset + 2, (side, side), order=3, mode="constant"
    )
    alpha = np.clip((grid - 0.3) / 0.3, 0, 1)
    seen = alpha > VISIBLE
    (top, bottom), (left, right) = (np.flatnonzero(seen.any(axis))[[0, -1]] for axis in (1, 0))
    return alpha[top : bottom + 1, left : right + 1]


def write(
    canvas: np.ndarray,
    alpha: np.ndarray,
    left: int,
    top: int,
    rng: np.random.Generator,
    faint: bool = False,
) -> tuple[int, int, int, int]:
    """Inks a silhouette into `canvas`, (S, S, 3) float, in place.

    The ink is 90 to 170 grey levels from the ground it is on, and keeps a little of its texture.
    Faint ink is 30 to 55 levels darker (lighter where the ground is nearly black), and more on
    rough ground, where it would vanish.

    Returns: the box of the visible ink, x1 y1 x2 y2 in pixels.
    """
    height, width = alpha.shape
    under = canvas[top : top + height, left : left + width]
    level, rough = under.mean(), under.mean(axis=-1).std()
    if faint:
        step = rng.uniform(30, 55) + 0.7 * min(rough, 40)
        down = level > 80
    else:
        step = rng.uniform(90, 170)
        down = (level > 128) != (rng.random() < 0.3 and 90 < level < 165)
    tint = rng.normal(0, 22, 3)
    colour = np.clip(level + (-step if down else step) + tint - tint.mean(), 0, 255)
    pigment = colour + 0.15 * (under - level)
    cover = alpha[..., None] * rng.uniform(0.85, 1)
    under += cover * (pigment - under)
    return left, top, left + width, top + height


def _ground(images, regions, size, rng) -> tuple[np.ndarray, Region]:
    """A crop of a photograph at a random scale, mirrored, its light and colours shifted."""
    region = regions[rng.integers(len(regions))]
    most = min(region.width, region.height)
    crop = _crop(region, int(rng.uniform(min(64, most), min(240, most))), rng)
    pixels = Image.fromarray(crop.of(images[crop.photograph]))
    canvas = np.asarray(pixels.resize((size, size), Image.Resampling.LANCZOS), np.float32)
    canvas = canvas[:, :: rng.choice((-1, 1))]
    gain = rng.uniform(0.7, 1.15) * rng.uniform(0.92, 1.08, 3)
    return np.clip(canvas * gain + rng.uniform(-15, 15), 0, 255), crop


def _patch(canvas, images, regions, rng) -> Region:
    """Pastes an ellipse or a rectangle of another photograph into the canvas."""
    size = len(canvas)
    width, height = (rng.uniform(0.15, 0.4, 2) * size).astype(int)
    region = regions[rng.integers(len(regions))]
    most = min(region.width, region.height)
    crop = _crop(region, int(rng.uniform(32, min(96, most))), rng)
    pixels = Image.fromarray(crop.of(images[crop.photograph])).resize((width, height))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    distance = np.hypot(x, y) if rng.random() < 0.6 else np.maximum(abs(x), abs(y))
    mask = np.clip((1 - distance) * min(width, height) / 4, 0, 1)[..., None]
    left, top = rng.integers(0, size - width), rng.integers(0, size - height)
    under = canvas[top : top + height, left : left + width]
    under += mask * (np.asarray(pixels, np.float32) - under)
    return crop


def _crop(region: Region, side: int, rng) -> Region:
    left = region.left + int(rng.integers(region.width - side + 1))
    top = region.top + int(rng.integers(region.height - side + 1))
    return Region(region.photograph, left, top, left + side, top + side)


def _letter(rng) -> np.ndarray:
    """A letter with unsteady strokes on the digits' grid, (8, 8) in 0..1."""
    zoom = 8
    sheet = Image.new("L", (8 * zoom, 8 * zoom))
    draw = ImageDraw.Draw(sheet)
    width = int(rng.uniform(1.1, 1.7) * zoom)
    for stroke in LETTERS[rng.integers(len(LETTERS))]:
        ends = (np.array(stroke) + rng.normal(0, 0.3, 4)).clip(0, 7) * zoom + zoom / 2
        draw.line(ends.tolist(), fill=255, width=width)
    return np.asarray(sheet.reduce(zoom), np.float64) / 255


def _free_place(shape, size, boxes, rng, tries=64) -> tuple[int, int, float]:
    """Left, top and overlap: the first of many places that overlaps little, or the least bad."""
    height, width = shape
    left = rng.integers(0, size - width + 1, tries)
    top = rng.integers(0, size - height + 1, tries)
    if not len(boxes):
        return int(left[0]), int(top[0]), 0.0
    x1, y1, x2, y2 = boxes.T
    across = np.minimum(left[:, None] + width, x2) - np.maximum(left[:, None], x1)
    down = np.minimum(top[:, None] + height, y2) - np.maximum(top[:, None], y1)
    smaller = np.minimum(height * width, (x2 - x1) * (y2 - y1))
    overlap = (across.clip(0) * down.clip(0) / smaller).max(axis=1)
    free = np.flatnonzero(overlap <= MOST_OVERLAP)
    best = int(free[0] if len(free) else overlap.argmin())
    return int(left[best]), int(top[best]), float(overlap[best])
