"""Several questions about one input: a network of many outputs, scored over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.errors import RecipeError
from lossforge.recipe import Reading, Slot


class MultiTask:
    """A network that puts out a dict; one slot for each output.

    An output of 2 or more numbers is the logits of a choice (`multiclass`, targets are class ids);
    one of a single number is that number (`regression`, targets (batch, 1)).

    Scores of an output are its `accuracy` or its mean absolute error (`mae`), and its skill: 1 for
    no error, 0 for the error of the best constant answer, which the targets of the split tell.
    `mean_skill` and `worst_skill` are over all outputs: the score of a model that must not give one
    of them up.

    Source of the skill score: Murphy 1988, Skill Scores Based on the Mean Square Error and Their
    Relationships to the Correlation Coefficient; here of error rates and absolute errors.

    Args:
        network: inputs to {name: (batch, numbers)}.

    Raises:
        RecipeError: for a network without a dict of outputs.
    """

    def __init__(self, network: keras.Model) -> None:
        self.network = network
        outputs = network.output
        if not isinstance(outputs, Mapping):
            raise RecipeError(
                "MultiTask needs a network whose outputs are a dict by name: "
                "keras.Model(inputs, {'digit': ..., 'angle': ...})."
            )
        self.slots = {name: _slot(name, output.shape[-1]) for name, output in outputs.items()}

    def read(self, target: Any, outputs: Any) -> dict[str, dict[str, Reading]]:
        return {
            name: {slot.kinds[0]: Reading(target[name], outputs[name])}
            for name, slot in self.slots.items()
        }

    def predict(self, images: Any) -> dict[str, np.ndarray]:
        """Probabilities (B, C) of each choice, and numbers (B, 1), by the name of the output."""
        outputs = self.network.predict_on_batch(np.asarray(images))
        return {name: self._answer(name, value) for name, value in outputs.items()}

    def evaluate(self, dataset: Iterable) -> dict[str, float]:
        """Scores by output, as `<output>_accuracy`, `<output>_mae`, `<output>_skill`, and both
        over all outputs."""
        truth, found = [], []
        for images, target in dataset:
            found.append(self.predict(images))
            truth.append({name: np.asarray(target[name]) for name in self.slots})
        scores: dict[str, float] = {}
        skills: list[float] = []
        for name, slot in self.slots.items():
            y, answer = (np.concatenate([part[name] for part in parts]) for parts in (truth, found))
            what, score, skill = _judged(slot, y, answer)
            scores |= {f"{name}_{what}": score, f"{name}_skill": skill}
            skills.append(skill)
        return scores | {"mean_skill": float(np.mean(skills)), "worst_skill": min(skills)}

    def deployable(self) -> keras.Model:
        """Inputs to probabilities and numbers, in plain layers."""
        inputs = keras.Input(self.network.input_shape[1:], name="images")
        outputs = self.network(inputs, training=False)
        named = {}
        for name, value in outputs.items():
            last = (
                keras.layers.Softmax(name=name, dtype="float32")
                if self._is_choice(name)
                else keras.layers.Activation("linear", name=name, dtype="float32")
            )
            named[name] = last(value)
        return keras.Model(inputs, named, name="multi_task")

    def export(self, path: str | Path) -> None:
        """A SavedModel: `serve(images)` gives what `predict` gives. TensorFlow's backend only."""
        import tensorflow as tf

        model = self.deployable()
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="images")]
        serve = lambda images: model(images, training=False)  # noqa: E731
        archive.add_endpoint("serve", serve, input_signature=signature)
        archive.write_out(str(path), verbose=False)

    def _is_choice(self, name: str) -> bool:
        return self.slots[name].kinds == ("multiclass",)

    def _answer(self, name: str, value: Any) -> np.ndarray:
        value = keras.ops.cast(value, "float32")
        if self._is_choice(name):
            value = keras.ops.softmax(value, axis=-1)
        return keras.ops.convert_to_numpy(value)


def _slot(name: str, numbers: int) -> Slot:
    if numbers == 1:
        return Slot(name, ("regression",))
    return Slot(name, ("multiclass",), {"task": "multiclass", "from_logits": True})


def _judged(slot: Slot, y: np.ndarray, answer: np.ndarray) -> tuple[str, float, float]:
    """(name of the score, the score, the skill) of one output."""
    if slot.kinds == ("multiclass",):
        y = y.reshape(-1).astype(int)
        accuracy = float(np.mean(answer.argmax(-1) == y))
        constant = np.bincount(y).max() / len(y)
        return "accuracy", accuracy, float((accuracy - constant) / max(1 - constant, 1e-12))
    y, answer = y.reshape(-1), answer.reshape(-1)
    error = float(np.mean(np.abs(answer - y)))
    constant = float(np.mean(np.abs(np.median(y) - y)))
    return "mae", error, 1.0 - error / max(constant, 1e-12)
