"""A small copy of a recipe's problem, made from its own data, and what it finds as losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossforge.errors import RecipeError
from lossforge.expression import Tree, read, text
from lossforge.recipe import Recipe, Slot
from lossforge.search.symbolic import dual
from lossforge.search.symbolic.examples import (
    Examples,
    array_of,
    as_principal_components,
    batches_of,
    box_windows,
    classified,
    masked_patches,
    restored_patches,
)
from lossforge.search.symbolic.formula_search import Proxy
from lossforge.search.symbolic.population import Training
from lossforge.search.symbolic.slopes import CLASSES, Domain

PLAIN = ("multiclass", "binary", "multilabel")
REFERENCES = {"boxes": "2 - iou - uoe", "image": "abs(r)"}
"""GIoU and the absolute error: beside losses of other slots, formulas pull as hard as these."""


def proxy_of(recipe: Recipe, seed: int = 0) -> tuple[Proxy, Slot]:
    """(proxy, slot) of a recipe: its data made small, and a network with one hidden layer.

        classes     the inputs, flattened, at most 4,096 numbers
        boxes       windows around the objects of the images; the box in the window is refined
        embedding   the batches of the recipe, in 64 principal components
        image       pixels and what surrounds them; what to add to the enlarged input is learned
        masks       the same, for the class of the pixel

    Raises:
        RecipeError: for a recipe whose slots and data are none of these.
    """
    data = recipe.data(seed)
    task = recipe.task(data)
    slots: dict[str, Slot] = dict(task.slots)
    first = next(iter(batches_of(recipe, data.train)))
    way = _way(slots, first)
    if way is None:
        kinds = sorted({k for s in slots.values() for k in s.kinds})
        raise RecipeError(
            f"--formulas searches on a small copy of the problem, and '{recipe.name}' has none: "
            "it is made of labelled inputs (classes, embeddings), images with boxes, pairs of "
            f"images, or images with masks; the slots here read {', '.join(kinds)}."
        )
    slot, kind, build = way
    train, seen = (build(recipe, task, split, seed) for split in (data.train, data.validation))
    return _PROXIES.get(kind, _of_examples)(recipe, slot, kind, train, seen, seed), slot


Build = Callable[[Recipe, Any, Any, int], Examples]


def _way(slots: dict[str, Slot], batch: tuple) -> tuple[Slot, str, Build] | None:
    """The slot to search, the kind of its formulas, and how its data is made small."""

    def slot_of(*kinds: str) -> Slot | None:
        return next((s for s in slots.values() if set(s.kinds) & set(kinds)), None)

    inputs, target = batch[:2]
    if isinstance(target, dict):
        slot = slot_of("boxes")
        return (slot, "boxes", box_windows) if slot and "boxes" in target else None
    if not isinstance(inputs, np.ndarray) or not isinstance(target, np.ndarray):
        return None
    if inputs.ndim == 4 and target.ndim >= 3:
        if slot := slot_of("image"):
            return (slot, "image", restored_patches) if target.ndim == 4 else None
        if slot := slot_of("mask", "class_mask"):
            kind = "class_mask" if "class_mask" in slot.kinds else "mask"
            return slot, slot.bind.get("task", kind), masked_patches
        return None
    if slot := slot_of(*PLAIN):
        kind = slot.bind.get("task") or next(k for k in PLAIN if k in slot.kinds)
        return slot, kind, classified
    if (slot := slot_of("embedding")) and target.size == len(target):
        return slot, "embedding", classified
    return None


def _of_examples(
    recipe: Recipe, slot: Slot, kind: str, train: Examples, seen: Examples, seed: int
) -> Proxy:
    batch = int(min(64, len(train.x)))
    steps = int(np.clip(recipe.epochs * len(train.x) // batch, 200, 800))
    centre, spread = train.x.mean(), train.x.std() + 1e-6
    x, x_seen = ((part.x - centre) / spread for part in (train, seen))
    y, y_seen = train.y, seen.y
    if kind in CLASSES:
        classes = int(max(y.max(), y_seen.max())) + 1 if y.size == len(y) else 0
        y, y_seen = (_targets(labels, kind, classes) for labels in (y, y_seen))
    training = Training(steps=steps, batch=batch, seed=seed)
    if kind == "image":  # what is lacking is small: so are the first outputs, and the steps
        x, x_seen = np.float32(SMALL) * x, np.float32(SMALL) * x_seen
        training = Training(steps=800, batch=batch, seed=seed, learning_rate=0.001)
    logits = bool(slot.bind.get("from_logits"))
    return Proxy(Domain(kind), x, y, x_seen, y_seen, training, logits)


def _of_batches(
    recipe: Recipe, slot: Slot, kind: str, train: Examples, seen: Examples, seed: int
) -> Proxy:
    x, x_seen = as_principal_components(train.x, seen.x)
    steps = int(np.clip(recipe.epochs * len(x) // train.batch, 200, 400))
    training = Training(steps=steps, batch=train.batch, seed=seed, whole_batches=True)
    ids, ids_seen = (part.y.reshape(-1) for part in (train, seen))
    few = slice(MOST_COMPARED)
    return Proxy(Domain(kind), x, ids, x_seen[few], ids_seen[few], training, logits=False)


MOST_COMPARED = 500
SMALL = 0.02
_PROXIES = {"embedding": _of_batches}


def _targets(labels: np.ndarray, kind: str, classes: int) -> np.ndarray:
    if kind in ("multiclass", "class_mask") and labels.size == len(labels):
        return np.eye(max(classes, 2), dtype=np.float32)[labels.reshape(-1).astype(int)]
    return array_of(labels).astype(np.float32)


def loss_text(slot: Slot, kind: str, tree: Tree, alone: bool = True) -> str:
    """A formula as a candidate of a slot.

    alone: whether the recipe has no other slot; if it has, the formula gets a weight with which it
    pulls as hard as a usual loss does.
    """
    logits = slot.bind.get("from_logits") if kind in CLASSES else None
    option = "" if logits is None else f", from_logits={logits!r}"
    weight = "" if alone else _weight(tree, kind)
    return f"{weight}Formula({text(tree)!r}, task={kind!r}{option})"


def _weight(tree: Tree, kind: str) -> str:
    """ "0.5*" for a formula that pulls twice as hard as the reference of its kind."""
    if kind not in REFERENCES:
        return ""
    domain = Domain(kind)
    reference = read(REFERENCES[kind], {}, tuple(domain.grid))
    with np.errstate(all="ignore"):
        usual, ours = (
            np.sqrt(np.mean(np.square(np.broadcast_to(dual.evaluate(t, domain.grid)[1], shape))))
            for t, shape in ((reference, _shape(domain)), (tree, _shape(domain)))
        )
    return f"{usual / ours:.3g}*" if np.isfinite(usual / ours) else ""


def _shape(domain: Domain) -> tuple[int, ...]:
    some = next(iter(domain.grid.values())).pair[0]
    return (2, *np.shape(some)) if domain.kind == "boxes" else np.shape(some)
