"""A proxy made from a recipe's own data, and a space of the formulas that it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lossforge.errors import RecipeError
from lossforge.recipe import Recipe, Slot
from lossforge.search.symbolic.formula_search import Proxy
from lossforge.search.symbolic.population import Training
from lossforge.search.symbolic.proposers import Trained
from lossforge.search.symbolic.slopes import Domain

READ = ("multiclass", "binary", "multilabel")
MOST_INPUTS = 4096
MOST_EXAMPLES = 4000


def proxy_of(recipe: Recipe, seed: int = 0) -> tuple[Proxy, Slot]:
    """(proxy, slot) of a recipe: its inputs, flattened, and a network with one hidden layer.

    Raises:
        RecipeError: for a recipe without a slot of classes, or with inputs too large to flatten.
    """
    data = recipe.data(seed)
    slots = recipe.task(data).slots
    slot = next((s for s in slots.values() if set(s.kinds) & set(READ)), None)
    if slot is None:
        kinds = sorted({k for s in slots.values() for k in s.kinds})
        raise RecipeError(
            f"--formulas searches losses of the kinds {', '.join(READ)} on a small copy of the "
            f"problem; the slots of '{recipe.name}' read {', '.join(kinds)}."
        )
    kind = slot.bind.get("task") or next(k for k in READ if k in slot.kinds)
    train, seen = (_arrays(recipe, d) for d in (data.train, data.validation))
    classes = int(max(train[1].max(), seen[1].max())) + 1 if train[1].ndim == 1 else 0
    y, y_seen = (_targets(labels, kind, classes) for _, labels in (train, seen))
    batch = int(min(64, len(y)))
    steps = int(np.clip(recipe.epochs * len(y) // batch, 200, 800))
    centre, spread = train[0].mean(), train[0].std() + 1e-6
    x, x_seen = ((inputs - centre) / spread for inputs in (train[0], seen[0]))
    logits = bool(slot.bind.get("from_logits"))
    training = Training(steps=steps, batch=batch, seed=seed)
    return Proxy(Domain(kind), x, y, x_seen, y_seen, training, logits), slot


def space_text(slot: Slot, kind: str, found: Sequence[Trained], others: Sequence[str]) -> str:
    """A space file, for `--space`: the formulas beside the recipe's candidates."""
    options = {}
    if "from_logits" in slot.bind:
        options["from_logits"] = slot.bind["from_logits"]
    arguments = "".join(f", {n}={v!r}" for n, v in options.items())
    losses = [f"Formula({one.text!r}, task={kind!r}{arguments})" for one in found]
    lines = "".join(f"    {loss!r},\n" for loss in [*others, *losses])
    return (
        '"""Formulas that `lossforge search --formulas` found, beside the recipe\'s losses."""\n'
        f"\nLOSSES = (\n{lines})\n\n\n"
        f"def space(trial):\n    return {{{slot.name!r}: "
        f"trial.suggest_categorical({slot.name!r}, LOSSES)}}\n"
    )


def _arrays(recipe: Recipe, dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels, count = [], [], 0
    for batch in dataset.as_numpy_iterator():
        x, y = batch[:2]
        if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
            raise RecipeError(f"--formulas needs arrays of inputs and labels in '{recipe.name}'.")
        x = x.reshape(len(x), -1)
        if x.shape[1] > MOST_INPUTS:
            raise RecipeError(
                f"--formulas flattens inputs of at most {MOST_INPUTS} numbers; those of "
                f"'{recipe.name}' have {x.shape[1]}."
            )
        inputs.append(x.astype(np.float32))
        labels.append(y)
        count += len(x)
        if count >= MOST_EXAMPLES:
            break
    return np.concatenate(inputs), np.concatenate(labels)


def _targets(labels: np.ndarray, kind: str, classes: int) -> np.ndarray:
    if kind == "multiclass" and (labels.ndim == 1 or labels.shape[-1] == 1):
        return np.eye(max(classes, 2), dtype=np.float32)[labels.reshape(-1).astype(int)]
    return labels.reshape(len(labels), -1).astype(np.float32)
