"""Every source, ours, TFDS's or the user's own folder, gives the same kind of batches."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from lossforge.data import digit_scenes
from lossforge.data.detection import letterbox, load_detection, split_plan
from lossforge.data.digit_scenes import DigitScenes, DigitScenesConfig
from lossforge.data.tfds_builders import prepared
from lossforge.errors import RecipeError

# Ours ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    config = DigitScenesConfig(train_scenes=20, validation_scenes=6, test_scenes=5)
    folder = tmp_path_factory.mktemp("data")
    return prepared(lambda folder: DigitScenes(config=config, data_dir=folder), folder)


def drawn(dataset):
    """Images, boxes and labels of one pass, batches joined."""
    batches = [(image, target["boxes"], target["labels"]) for image, target in dataset]
    columns = zip(*batches, strict=True)
    return tuple(np.concatenate([part.numpy() for part in column]) for column in columns)


def test_batches_have_the_promised_shapes(builder):
    data = load_detection(builder, batch_size=8, max_boxes=12)
    image, target = data.train.element_spec
    assert image == tf.TensorSpec((8, 96, 96, 3), tf.float32)
    assert target["boxes"] == tf.TensorSpec((8, 12, 4), tf.float32)
    assert target["labels"] == tf.TensorSpec((8, 12), tf.int32)
    assert data.validation.element_spec[0].shape == (None, 96, 96, 3)
    assert data.class_names == tuple("0123456789") and data.image_size == 96
    assert [int(d.cardinality()) for d in (data.train, data.validation, data.test)] == [2, 1, 1]
    assert [len(drawn(d)[0]) for d in (data.train, data.validation, data.test)] == [16, 6, 5]


def test_values_are_what_the_builder_wrote(builder):
    images, boxes, labels = drawn(load_detection(builder).validation)
    written = list(tfds.as_numpy(builder.as_dataset(split="validation")))
    for image, box, label, example in zip(images, boxes, labels, written, strict=True):
        count = len(example["objects"]["label"])
        np.testing.assert_array_equal(image, example["image"])
        np.testing.assert_array_equal(label[:count], example["objects"]["label"])
        ordered = example["objects"]["bbox"][:, [1, 0, 3, 2]] * 96
        np.testing.assert_allclose(box[:count], ordered, atol=1e-4)
        assert (label[count:] == -1).all() and (box[count:] == 0).all()


def test_same_seed_gives_the_same_batches(builder):
    for one, other in zip(*(load_detection(builder, seed=3).train for _ in "ab"), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1]["boxes"], other[1]["boxes"])
    other = load_detection(builder, seed=4).train
    assert (drawn(other)[1] != drawn(load_detection(builder, seed=3).train)[1]).any()


def test_each_epoch_has_another_order_and_other_light(builder):
    train = load_detection(builder, batch_size=20).train
    (first, first_boxes, _), (second, second_boxes, _) = drawn(train), drawn(train)
    assert (first_boxes != second_boxes).any()
    key = lambda boxes: np.lexsort(boxes.reshape(len(boxes), -1).T)  # noqa: E731
    order, other = key(first_boxes), key(second_boxes)
    np.testing.assert_array_equal(first_boxes[order], second_boxes[other])
    change = np.abs(first[order] - second[other]).mean(axis=(1, 2, 3))
    assert (change > 1).mean() > 0.7 and first.min() >= 0 and first.max() <= 255


def test_light_varies_without_moving_anything(builder):
    """Training pictures are the written ones up to contrast and brightness, never mirrored."""
    images, boxes, _ = drawn(load_detection(builder, batch_size=20).train)
    written = list(tfds.as_numpy(builder.as_dataset(split="train")))
    for image in images:
        best = max(
            np.corrcoef(image.ravel(), example["image"].ravel().astype(float))[0, 1]
            for example in written
        )
        assert best > 0.95


def test_evaluation_splits_come_in_the_same_order_each_time(builder):
    test = load_detection(builder).test
    np.testing.assert_array_equal(drawn(test)[0], drawn(test)[0])


def test_train_examples_limits_training_only(builder):
    data = load_detection(builder, batch_size=4, train_examples=9)
    assert [len(drawn(d)[0]) for d in (data.train, data.validation, data.test)] == [8, 6, 5]


def test_of_too_many_boxes_the_largest_stay(builder):
    _, boxes, labels = drawn(load_detection(builder, max_boxes=1).validation)
    written = list(tfds.as_numpy(builder.as_dataset(split="validation")))
    for box, label, example in zip(boxes, labels, written, strict=True):
        bbox = example["objects"]["bbox"]
        largest = np.argmax(np.prod(bbox[:, 2:] - bbox[:, :2], axis=1))
        np.testing.assert_allclose(box[0], bbox[largest][[1, 0, 3, 2]] * 96, atol=1e-4)
        assert label.tolist() == [example["objects"]["label"][largest]]


def test_sets_that_do_not_fit_in_memory_are_the_same(builder, monkeypatch):
    expected = drawn(load_detection(builder, batch_size=20).train)
    monkeypatch.setattr("lossforge.data.detection.CACHED_BYTES", 0)
    one, other = (drawn(load_detection(builder, batch_size=20).train) for _ in "ab")
    np.testing.assert_array_equal(one[0], other[0])
    for windowed, cached in zip(one[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(np.sort(windowed, axis=None), np.sort(cached, axis=None))


def test_digit_scenes_are_made_once_where_the_environment_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        DigitScenesConfig.__init__,
        "__kwdefaults__",
        {**DigitScenesConfig.__init__.__kwdefaults__, "train_scenes": 10, "validation_scenes": 4}
        | {"test_scenes": 4},
    )
    monkeypatch.setenv("LOSSFORGE_DATA", str(tmp_path / "cache"))
    first = load_detection(image_size=64, imbalance=2.0)
    assert str(tmp_path / "cache") in capsys.readouterr().err
    monkeypatch.setattr(digit_scenes, "scenes", None)  # must not be needed again
    second = load_detection(image_size=64, imbalance=2.0)
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(drawn(first.train)[0], drawn(second.train)[0])
    assert not list((tmp_path / "cache").glob(".preparing-*"))


def test_two_processes_may_prepare_at_the_same_time(tmp_path):
    """The second starts and finishes while the first is still writing."""
    config = DigitScenesConfig(train_scenes=3, validation_scenes=1, test_scenes=1)
    others = []

    def make(folder):
        made = DigitScenes(config=config, data_dir=folder)
        if folder != tmp_path and not others:
            others.append(None)
            others[0] = prepared(make, tmp_path)
        return made

    mine = prepared(make, tmp_path)
    assert mine.data_dir == others[0].data_dir
    assert len(list(mine.as_dataset(split="train"))) == 3
    assert [p.name for p in mine.data_path.parent.iterdir()] == ["1.0.0"]
    assert not list(tmp_path.glob(".preparing-*"))


# TFDS ---------------------------------------------------------------------------------------------


class ToyRoads(tfds.core.GeneratorBasedBuilder):
    """Like COCO in TFDS: pictures of any size, crowds, a test split without annotations."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None

    def _info(self):
        objects = {
            "bbox": tfds.features.BBoxFeature(),
            "label": tfds.features.ClassLabel(names=["car", "bus"]),
            "is_crowd": np.bool_,
        }
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "image/id": np.int64,
            "objects": tfds.features.Sequence(objects),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {s: self._generate_examples(s) for s in ("train", "validation", "test")}

    def _generate_examples(self, split):
        for key in range(20 if split == "train" else 4):
            boxes = [((0.25, 0.5, 0.75, 1.0), key % 2, False), ((0.0, 0.0, 1.0, 1.0), 0, True)]
            if split == "test":
                boxes = []
            elif key == 3:
                boxes = boxes[1:]
            yield (
                key,
                {
                    "image": np.full((40, 80, 3), 10 * key, np.uint8),
                    "image/id": key,
                    "objects": [
                        {"bbox": tfds.features.BBox(*box), "label": label, "is_crowd": crowd}
                        for box, label, crowd in boxes
                    ],
                },
            )


class ToyTexts(tfds.core.GeneratorBasedBuilder):
    """No detection set."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None

    def _info(self):
        features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        raise AssertionError("nothing may be downloaded")

    def _generate_examples(self):
        raise AssertionError("nothing may be generated")


class ToyFarAway(ToyRoads):
    """A set whose files can't be had."""

    def _split_generators(self, dl_manager):
        raise ConnectionError("no route to host")


def test_a_tfds_set_goes_through_the_same_reader(tmp_path):
    data = load_detection("toy_roads", image_size=32, batch_size=3, data_dir=tmp_path)
    assert data.class_names == ("car", "bus")
    images, boxes, labels = drawn(data.test)  # the annotated one: validation
    assert images.shape == (4, 32, 32, 3) and boxes.shape == (4, 20, 4)
    for image, box, label in zip(images, boxes, labels, strict=True):
        key = round(float(image[16, 16, 0]) / 10)
        np.testing.assert_allclose(image[8:24], 10 * key, atol=2)
        assert (image[:8] == 114).all() and (image[24:] == 114).all()
        if key == 3:  # only a crowd
            assert (label == -1).all() and (box == 0).all()
        else:
            assert label.tolist() == [key % 2] + [-1] * 19
            np.testing.assert_allclose(box[0], [16, 12, 32, 20], atol=1e-4)
    assert len(drawn(data.validation)[0]) == 2 and len(drawn(data.train)[0]) == 18


def test_unknown_tfds_name_is_one_clear_error(tmp_path):
    with pytest.raises(RecipeError, match="data=toy_road is neither .* Did you mean toy_roads"):
        load_detection("toy_road", data_dir=tmp_path)
    with pytest.raises(RecipeError, match="voc has these configs: 2007, 2012"):
        load_detection("voc/1999", data_dir=tmp_path)


def test_a_set_without_objects_is_refused_before_it_is_downloaded(tmp_path):
    with pytest.raises(RecipeError, match="toy_texts is no detection set.*and has text"):
        load_detection("toy_texts", data_dir=tmp_path)
    with pytest.raises(RecipeError, match="wider_face is no detection set.*faces, image"):
        load_detection("wider_face", data_dir=tmp_path)
    with pytest.raises(RecipeError, match="kitti is no .*objects/bbox, .*objects/type"):
        load_detection("kitti", data_dir=tmp_path)


def test_a_set_that_cannot_be_downloaded_says_what_to_do(tmp_path):
    with pytest.raises(RecipeError, match="no route to host.*tfds.load.'toy_far_away'"):
        load_detection("toy_far_away", data_dir=tmp_path)


def test_a_set_that_needs_another_package_names_it(tmp_path, monkeypatch):
    def lacking(*_, **__):
        raise ModuleNotFoundError("No module named 'lxml'")

    monkeypatch.setattr(ToyFarAway, "_split_generators", lacking)
    with pytest.raises(RecipeError, match="needs a package to be prepared: .*lxml"):
        load_detection("toy_far_away", data_dir=tmp_path)


# A folder of the user's own -----------------------------------------------------------------------

SIZES = {"wide": (80, 40), "tall": (30, 60), "square": (48, 48)}
CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def write_split(images_dir, annotation_file, ids, categories=CATEGORIES, **changes):
    """Pictures of three shapes, one box and one crowd in each; ids are image ids."""
    images_dir.mkdir(parents=True, exist_ok=True)
    annotation_file.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": [], "annotations": [], "categories": categories}
    for number in ids:
        width, height = list(SIZES.values())[number % 3]
        name = f"{number}.{'png' if number % 2 else 'jpg'}"
        Image.new("RGB" if number % 4 else "L", (width, height), 0).save(images_dir / name)
        content["images"].append({"id": number, "file_name": name})
        box = [width / 4 + number / 4, height / 4, width / 2, height / 4]
        for bbox, crowd in ((box, 0), ([0, 0, width, height], 1)):
            category = categories[number % 2]["id"]
            content["annotations"].append(
                {"image_id": number, "category_id": category, "bbox": bbox, "iscrowd": crowd}
            )
    annotation_file.write_text(json.dumps({**content, **changes}))


def expected_box(number, size=32):
    width, height = list(SIZES.values())[number % 3]
    scale = size / max(width, height)
    left, top = (size - width * scale) / 2, (size - height * scale) / 2
    x, y, w, h = (v * scale for v in (width / 4 + number / 4, height / 4, width / 2, height / 4))
    return np.array([left + x, top + y, left + x + w, top + y + h])


@pytest.fixture
def coco(tmp_path):
    for name, ids in {"train2017": range(10), "val2017": range(10, 16)}.items():
        write_split(tmp_path / name, tmp_path / f"annotations/instances_{name}.json", ids)
    return tmp_path


@pytest.mark.filterwarnings("error")
def test_coco_folder_is_read_and_letterboxed(coco):
    data = load_detection(coco, image_size=32, batch_size=4)
    assert data.class_names == ("dog", "cat")  # in the order of ids
    images, boxes, labels = drawn(data.test)  # no test split: validation it is
    assert images.shape == (6, 32, 32, 3)
    seen = []
    for image, box, label in zip(images, boxes, labels, strict=True):
        number = min(range(16), key=lambda n: np.abs(expected_box(n) - box[0]).max())
        seen.append(number)
        np.testing.assert_allclose(box[0], expected_box(number), atol=0.02)
        assert data.class_names[label[0]] == CATEGORIES[number % 2]["name"]
        assert (label[1:] == -1).all() and (box[1:] == 0).all()  # no crowds
        edge = {0: image[0, 16], 1: image[16, 0], 2: image[0, 0]}[number % 3]  # wide, tall, square
        assert (image[16, 16] < 5).all() and (edge == (114 if number % 3 < 2 else 0)).all()
    assert sorted(seen) == list(range(10, 16))
    assert len(drawn(data.train)[0]) == 8 and len(drawn(data.validation)[0]) == 1


def test_a_folder_that_does_not_fit_in_memory_is_the_same(coco, monkeypatch):
    expected = drawn(load_detection(coco, image_size=32, batch_size=9).train)[1]
    monkeypatch.setattr("lossforge.data.detection.CACHED_BYTES", 0)
    train = load_detection(coco, image_size=32, batch_size=9).train
    first, second = drawn(train)[1], drawn(train)[1]
    assert (first != second).any()  # another order
    for boxes in (first, second):
        np.testing.assert_array_equal(np.sort(boxes, axis=0), np.sort(expected, axis=0))


def test_roboflow_layout_is_read(tmp_path):
    parent = [{"id": 0, "name": "pets", "supercategory": "none"}]
    children = [{"id": i, "name": n, "supercategory": "pets"} for i, n in ((1, "cat"), (2, "dog"))]
    for name, ids in {"train": range(6), "valid": range(6, 9), "test": range(9, 12)}.items():
        file = tmp_path / name / "_annotations.coco.json"
        write_split(tmp_path / name, file, ids, children)
        content = json.loads(file.read_text())
        file.write_text(json.dumps({**content, "categories": parent + children}))
    data = load_detection(str(tmp_path), image_size=32, batch_size=2)
    assert data.class_names == ("cat", "dog")
    parts = [drawn(d) for d in (data.train, data.validation, data.test)]
    assert [len(images) for images, _, _ in parts] == [6, 3, 3]
    assert {label for _, _, labels in parts for label in labels[:, 0].tolist()} == {0, 1}


def test_a_single_file_is_split_by_image_id_the_same_way_each_time(tmp_path):
    write_split(tmp_path / "images", tmp_path / "labels.json", range(20))
    first, second = (load_detection(tmp_path, image_size=32, batch_size=1) for _ in "ab")
    for split, count in {"train": 16, "validation": 2, "test": 2}.items():
        one, other = drawn(getattr(first, split)), drawn(getattr(second, split))
        assert len(one[0]) == count
        np.testing.assert_array_equal(one[1], other[1])


def test_letterbox_maps_points_and_leaves_a_square_alone():
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3))
    square, scale, offset = letterbox(tf.constant(image, tf.uint8), 96)
    np.testing.assert_array_equal(square, image)
    np.testing.assert_array_equal([*scale, *offset], [1, 1, 0, 0])
    dot = np.zeros((60, 31, 3), np.uint8)
    dot[40:44, 10:14] = 255
    square, scale, offset = (t.numpy() for t in letterbox(tf.constant(dot), 120))
    rows, columns = np.nonzero((square[..., 0] > 128) & (square[..., 0] != 114))
    corner = np.array([10, 40]) * scale + offset
    np.testing.assert_allclose([columns.min(), rows.min()], corner, atol=1)


@pytest.mark.parametrize(
    ("available", "plan"),
    [
        (["train", "validation", "test"], "train[0:100] validation[0:100] test[0:100]"),
        (["train", "test"], "train[0:90] train[90:100] test[0:100]"),
        (["train", "validation"], "train[0:90] train[90:100] validation[0:100]"),
        (["train", "unlabelled"], "train[0:80] train[80:90] train[90:100]"),
    ],
)
def test_validation_and_test_are_never_the_same_examples(available, plan):
    parts = split_plan(available)
    assert " ".join("{}[{}:{}]".format(*parts[s]) for s in ("train", "validation", "test")) == plan


# Mistakes -----------------------------------------------------------------------------------------


def test_bad_folders_raise_one_clear_error(coco, tmp_path_factory):
    file = coco / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())

    def broken(text, message, target=file):
        before = target.read_text()
        target.write_text(text)
        with pytest.raises(RecipeError, match=message):
            load_detection(coco)
        target.write_text(before)

    broken("{", "instances_train2017.json can't be read as JSON")
    broken("[]", "no list \\['images', 'annotations', 'categories'\\]")
    broken(json.dumps({**content, "images": content["images"][:3]}), "images that are not listed")
    broken(json.dumps({**content, "categories": CATEGORIES[:1]}), "category_id that is not listed")
    boxless = [{**content["annotations"][0], "bbox": [1, 2, 3]}]
    broken(json.dumps({**content, "annotations": boxless}), "bbox .x, y, width, height.")
    renamed = [{**content["images"][0], "file_name": "0.tiff"}, *content["images"][1:]]
    (coco / "train2017/0.tiff").touch()
    broken(json.dumps({**content, "images": renamed}), "0.tiff: images must be one of .jpg")
    stranger = {**content, "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "fox"}]}
    broken(json.dumps(stranger), "doesn't list the categories \\['dog'\\]")
    (coco / "train2017/4.jpg").unlink()
    with pytest.raises(RecipeError, match="10 images, of which 1 are missing.*4.jpg"):
        load_detection(coco)
    write_split(coco / "train2014", coco / "annotations/instances_train2014.json", range(2))
    with pytest.raises(RecipeError, match="one train file is expected, found .*2014.*2017"):
        load_detection(coco)
    with pytest.raises(RecipeError, match="no COCO layout found .no .json."):
        load_detection(tmp_path_factory.mktemp("empty"))
    with pytest.raises(RecipeError, match="there is no such folder; data is digit_scenes"):
        load_detection("./nowhere")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number from 1, got 0"),
        ({"max_boxes": 2.5}, "max_boxes .* got 2.5"),
        ({"train_examples": -1}, "train_examples .* got -1"),
        ({"imbalance": 0.5}, "digit_scenes: imbalance must be 1 or more, got 0.5"),
        ({"data": "voc/2007", "imbalance": 2.0}, "imbalance=2.0 can only be set for"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(RecipeError, match=message):
        load_detection(**wrong)


def test_too_few_examples_for_a_batch_are_an_error(builder):
    with pytest.raises(RecipeError, match="20 train examples, too few for batch_size=21"):
        load_detection(builder, batch_size=21)
