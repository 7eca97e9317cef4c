"""A recipe: what is trained, on what, and judged how. And how to read one from a file."""

from __future__ import annotations

import dataclasses
import inspect
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lossforge.errors import RecipeError, UsageError, unknown_name


@dataclasses.dataclass(frozen=True)
class Reading:
    """The tensors that one loss reads: targets, predictions, and weights or None."""

    y_true: Any
    y_pred: Any
    sample_weight: Any = None


@dataclasses.dataclass(frozen=True)
class Slot:
    """A named place in a recipe where losses of certain Kinds are plugged in.

    Args:
        name: as in logs, specs and the search (`box`).
        kinds: names of the Kinds of loss that fit.
        bind: constructor arguments that the slot decides, for losses that have them, such as
            `{"from_logits": True}` where the network puts out logits.
    """

    name: str
    kinds: tuple[str, ...]
    bind: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def fit(self, loss: Any) -> Any:
        """The loss as this slot needs it: `bind` applied to it and to the losses inside.

        Raises:
            RecipeError: for a loss that reads none of the slot's Kinds.
        """
        from lossforge.losses.base import Loss, argument_names
        from lossforge.losses.composite import Composite
        from lossforge.miners.pair_miners import Miner

        if isinstance(loss, Composite):
            terms = {n: (loss.weights[n], self.fit(term)) for n, term in loss.losses.items()}
            return Composite(terms, name=loss.name)
        if not set(loss.kinds) & set(self.kinds):
            raise RecipeError(
                f"Slot '{self.name}' takes losses of the kinds {', '.join(self.kinds)}; "
                f"{type(loss).__name__} reads {', '.join(loss.kinds) or 'none'}."
            )
        names = argument_names(type(loss))
        config = loss.arguments() | {"name": loss.name, "dtype": loss.dtype}
        config |= {n: self.fit(v) for n, v in config.items() if isinstance(v, Loss)}
        # Built anew, so that a miner's draws follow the seed of the training.
        config |= {n: type(v)(**v.get_config()) for n, v in config.items() if isinstance(v, Miner)}
        bind = {n: v for n, v in self.bind.items() if n in names or n == "reduction"}
        return type(loss)(**config | bind)


class Task(Protocol):
    """What differs between problems: how losses read outputs, scores, and the exported model.

    A task may have more, which is used where it exists:

        trainable(losses) -> keras.Model     the model to train, in place of a `TermModel` over
                                             `read`: for a generator with a critic
        pictures(dataset) -> {name: image}   uint8 (H, W, 3): what a person would rather look at
        tiles(dataset) -> {name: {column: (image, caption)}}
                                             the same in parts, for comparisons of losses: the
                                             column `output` differs, others are shown once
        final_pictures(dataset)              the same, for what takes too long to draw every epoch
        points(dataset) -> (vectors, labels, images)    for TensorBoard's projector
        curves(dataset) -> {name: (yes, score)}
                                             yes-or-no answers and scores in 0..1, for curves of
                                             precision and recall
        deployable() -> keras.Model          images to named outputs in plain layers, for formats
                                             that hold no more than a graph of them
    """

    network: Any
    slots: Mapping[str, Slot]

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]: ...

    def evaluate(self, dataset: Any) -> dict[str, float]: ...

    def export(self, path: str | Path) -> None: ...

    def predict(self, images: Any) -> dict[str, Any]: ...


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that training needs, and nothing that has run yet.

    Args:
        name: short name, used for run directories.
        data: builds the data; called with the seed; has `train`, `validation` and `test` datasets.
        task: builds the task (network, slots, metrics, export); called with the data.
        losses: the default loss of each slot, as text (`"Focal(gamma=2.0)"`).
        score: the metric that judges, with its split: `"val_AP50"`.
        epochs: how many passes over the training data.
        optimizer: builds the optimizer; called with the total number of steps.
        direction: `"maximize"` or `"minimize"`.
        steps_per_execution: batches a compiled call; an epoch has a whole number of these calls.
        candidates: names of the losses that a search may put in each slot; by default every loss
            of the slot's Kinds.
        callbacks: builds the callbacks that belong to the recipe (warm-up, annealing); called with
            the total number of steps, anew for each training.
    """

    name: str
    data: Callable[[int], Any]
    task: Callable[[Any], Task]
    losses: Mapping[str, str]
    score: str
    epochs: int
    optimizer: Callable[[int], Any]
    direction: str = "maximize"
    steps_per_execution: int = 1
    candidates: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    callbacks: Callable[[int], Sequence[Any]] = lambda steps: ()

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise RecipeError(
                f"Recipe '{self.name}': direction must be 'maximize' or 'minimize', "
                f"got {self.direction!r}."
            )
        if not isinstance(self.epochs, int) or self.epochs < 1:
            raise RecipeError(
                f"Recipe '{self.name}': epochs must be a whole number of at least 1, "
                f"got {self.epochs!r}."
            )
        check_score(self.score)


def check_score(score: str) -> str:
    """Refuses a score that is a loss: the search would only learn to make that number small."""
    metric = score.removeprefix("val_")
    if metric in ("loss", "lr", "learning_rate") or metric.startswith(
        (
            "loss/",
            "terms/",
            "weights/",
            "shares/",
            "gradient_norms/",
            "cosines/",
            "parameters/",
            "loss_",
        )
    ):
        raise UsageError(
            f"The score must be a task metric on the validation split, not '{score}': a search "
            "that is judged by a loss, a term or a weight finds the smallest weight, not the best "
            "model. Use a metric such as 'val_AP50'."
        )
    if not score.startswith("val_"):
        raise UsageError(
            f"The score must be measured on the validation split, like 'val_AP50', not '{score}'."
        )
    return score


def load_recipe(
    path: str | Path, settings: Mapping[str, Any] | None = None, beside: str | Path | None = None
) -> Recipe:
    """The recipe of a Python file with a function `recipe()`.

    The file may import modules beside it, such as losses of its user's.

    Args:
        path: of the file, or of an installed recipe (`recipes/retinanet.py`).
        settings: keyword arguments of that function (`--set name=value`).
        beside: the folder of those modules, for a copy of a recipe.

    Raises:
        RecipeError: when the file is missing, has an error (named with its line), has no
            `recipe()`, or returns something else than a Recipe.
        UsageError: for a setting that `recipe()` does not take.
    """
    path = find_recipe(path)
    folder = str(Path(beside or path.parent).resolve())
    if folder not in sys.path:
        sys.path.append(folder)  # last: nothing there hides an installed package
    try:
        function = runpy.run_path(str(path)).get("recipe")
    except SyntaxError as error:
        text = (error.text or "").strip()
        raise RecipeError(f"{path}, line {error.lineno}: {error.msg}: {text}") from error
    except Exception as error:
        raise RecipeError(f"{_place(path, error)}: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise RecipeError(
            f"{path} has no function recipe(). Add 'def recipe() -> lossforge.Recipe: ...'; "
            "'lossforge init' writes a starter."
        )
    check_settings(path, function, settings or {})
    try:
        recipe = function(**(settings or {}))
    except (RecipeError, UsageError):
        raise
    except Exception as error:
        raise RecipeError(f"{_place(path, error)}: {type(error).__name__}: {error}") from error
    if not isinstance(recipe, Recipe):
        raise RecipeError(
            f"{path}: recipe() must return a lossforge.Recipe, got {type(recipe).__name__}."
        )
    return recipe


def find_recipe(path: str | Path) -> Path:
    """The file as given, or the installed recipe of that name (`recipes/retinanet.py`)."""
    path = Path(path)
    if path.is_file():
        return path
    installed = Path(__file__).parent / "recipes"
    installed = installed if installed.is_dir() else Path(__file__).parent.parent / "recipes"
    known = {f.name: f for f in installed.glob("*.py") if f.name != "__init__.py"}
    if path.name in known and path.parent.name in ("recipes", ""):
        return known[path.name]
    raise RecipeError(
        f"There is no recipe file '{path}'. Installed recipes: "
        + ", ".join(f"recipes/{name}" for name in sorted(known))
        + "."
    )


def check_settings(path: Path, function: Callable, settings: Mapping[str, Any]) -> None:
    known = list(inspect.signature(function).parameters)
    for name in settings:
        if name not in known:
            message = unknown_name(f"setting of {path}", name, known)
            raise UsageError(f"--set {name}=...: {message}")


def _place(path: Path, error: Exception) -> str:
    """The deepest line of the recipe that the error passed through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)
