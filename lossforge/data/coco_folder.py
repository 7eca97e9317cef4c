"""A COCO-format folder of the user's own, as lists of images with boxes."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossforge.errors import RecipeError

LAYOUTS = """a COCO folder is one of
  annotations/instances_train*.json with train*/ or images/, and the same for val* and test*
  train/_annotations.coco.json with its images next to it, and the same for valid/ and test/
  one .json, in the folder or in annotations/, with the images next to it or in images/"""
FORMATS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")  # what TensorFlow decodes
SPELLINGS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class LabelledImage:
    """A picture's file, boxes (N, 4) float32, x1 y1 x2 y2 in its pixels, and labels (N,) int32."""

    path: str
    boxes: np.ndarray
    labels: np.ndarray


def read_coco_folder(folder: Path) -> tuple[tuple[str, ...], dict[str, list[LabelledImage]]]:
    """Class names, and the images of every split that the folder has.

    Layouts:
        annotations/instances_train*.json with train*/ or images/ (COCO's own), val and test alike;
        train/_annotations.coco.json with its images (Roboflow's), valid/ and test/ alike;
        one .json, whose images all count as "train".

    Crowd annotations and boxes without area are left out; images without objects stay. Classes are
    in the order of their category ids. The order of images follows a hash of their ids, so any
    slice is a random sample, and the same one every time.

    Raises: RecipeError, when the folder has no such layout, a file is no COCO annotation file, an
        image is missing, or the files of two splits disagree about the categories.
    """
    files = _annotation_files(folder)
    contents = {split: _parse(path) for split, path in files.items()}
    categories = _categories(files, contents)
    splits = {
        split: _images(folder, files[split], content, categories)
        for split, content in contents.items()
    }
    return tuple(categories), splits


def _annotation_files(folder: Path) -> dict[str, Path]:
    for patterns in ("annotations/instances_{}*.json", "{}/_annotations.coco.json"):
        files = {}
        for split, spellings in SPELLINGS.items():
            found = sorted({f for name in spellings for f in folder.glob(patterns.format(name))})
            if len(found) > 1:
                names = ", ".join(f.name for f in found)
                raise RecipeError(f"data={folder}: one {split} file is expected, found {names}.")
            if found:
                files[split] = found[0]
        if "train" in files:
            return files
    single = [*folder.glob("*.json"), *folder.glob("annotations/*.json")]
    if len(single) == 1:
        return {"train": single[0]}
    names = ", ".join(sorted(str(f.relative_to(folder)) for f in single)) or "no .json"
    raise RecipeError(f"data={folder}: no COCO layout found ({names}); {LAYOUTS}")


def _parse(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RecipeError(f"{path} can't be read as JSON: {error}") from error
    missing = [
        key
        for key in ("images", "annotations", "categories")
        if not isinstance(content, dict) or not isinstance(content.get(key), list)
    ]
    if missing:
        raise RecipeError(f"{path} is no COCO annotation file: it has no list {missing}.")
    return content


def _categories(files: dict[str, Path], contents: dict[str, dict]) -> list[str]:
    """Names in the order of the ids of the training file; the other files may not add one."""
    try:
        named = {s: {c["id"]: c["name"] for c in contents[s]["categories"]} for s in contents}
        used = {
            named[split][annotation["category_id"]]
            for split, content in contents.items()
            for annotation in content["annotations"]
        }
    except (KeyError, TypeError) as error:
        raise RecipeError(
            f"{', '.join(map(str, files.values()))}: a category has no id or name, or an "
            f"annotation has a category_id that is not listed ({error})."
        ) from error
    listed = contents["train"]["categories"]
    parents = {c.get("supercategory") for c in listed if c.get("supercategory") != c["name"]}
    names = [
        name
        for _, name in sorted(named["train"].items())
        if name in used or name not in parents  # Roboflow lists the parent as category 0
    ]
    if strangers := sorted(used - set(names)):
        raise RecipeError(f"{files['train']} doesn't list the categories {strangers} of the rest.")
    if len(set(names)) < len(names):
        raise RecipeError(f"{files['train']}: two categories have the same name: {names}.")
    if not used:
        raise RecipeError(f"{files['train']}: there is no annotation at all.")
    return names


def _images(folder: Path, file: Path, content: dict, categories: list[str]) -> list[LabelledImage]:
    label_of = {
        c["id"]: categories.index(c["name"])
        for c in content["categories"]
        if c["name"] in categories
    }
    try:
        objects = defaultdict(list)
        for annotation in content["annotations"]:
            x, y, width, height = (float(number) for number in annotation["bbox"])
            if not annotation.get("iscrowd") and width > 0 and height > 0:
                label = label_of[annotation["category_id"]]
                objects[annotation["image_id"]].append((x, y, x + width, y + height, label))
        entries = {image["id"]: image["file_name"] for image in content["images"]}
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(
            f"{file}: images need id and file_name, annotations image_id, category_id and bbox "
            f"[x, y, width, height] ({type(error).__name__}: {error})."
        ) from error
    if not entries:
        raise RecipeError(f"{file} lists no images.")
    if orphans := sorted(map(str, objects.keys() - entries.keys())):
        raise RecipeError(f"{file}: annotations of images that are not listed: {orphans[:3]}.")
    paths = _paths(folder, file, entries)
    return [_labelled(paths[image], objects[image]) for image in sorted(entries, key=_hash)]


def _labelled(path: Path, objects: list[tuple]) -> LabelledImage:
    table = np.array(objects, np.float32).reshape(-1, 5)
    return LabelledImage(str(path), table[:, :4], table[:, 4].astype(np.int32))


def _paths(folder: Path, file: Path, entries: dict) -> dict:
    """Where the images are: the first candidate folder that has the first of them."""
    stem = file.stem.removeprefix("instances_")  # train2017
    first = next(iter(entries.values()))
    candidates = [file.parent, folder / stem, folder / "images" / stem, folder / "images", folder]
    home = next((c for c in candidates if (c / first).is_file()), None)
    if home is None:
        places = ", ".join(str(c) for c in dict.fromkeys(candidates))
        raise RecipeError(f"{file} lists the image {first!r}, which is in none of {places}.")
    paths = {image: home / name for image, name in entries.items()}
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise RecipeError(
            f"{file} lists {len(paths)} images, of which {len(missing)} are missing; the first: "
            f"{missing[0]}"
        )
    unreadable = [path for path in paths.values() if path.suffix.lower() not in FORMATS]
    if unreadable:
        raise RecipeError(f"{unreadable[0]}: images must be one of {', '.join(FORMATS)}.")
    return paths


def _hash(image_id) -> str:
    return hashlib.sha256(str(image_id).encode()).hexdigest()
