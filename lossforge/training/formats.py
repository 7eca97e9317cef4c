"""The formats of an export: how each is written, and how it is run to see what it computes."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossforge.errors import ParityError, RecipeError, unknown_name

Outputs = dict[str, np.ndarray]
FILES = {
    "saved_model": "",  # a directory
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "openvino": "model.xml",
    "keras": "model.keras",
}


def check_format(name: str) -> str:
    if name not in FILES:
        raise RecipeError(unknown_name("export format", name, FILES))
    return name


def write(name: str, model: keras.Model, path: Path) -> None:
    """Writes a model of plain layers (`Task.deployable`) to a file of that format.

    Raises:
        RecipeError: when the format's package is not installed, or cannot hold the model.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if name == "keras":
            model.save(path)
        else:
            with quiet():
                model.export(str(path), format=name, verbose=False)
    except ImportError as error:
        raise RecipeError(
            f"--format {name} needs a package that is not here ({error}): "
            f"pip install 'lossforge[{name}]'."
        ) from None
    except Exception as error:  # converters raise anything
        reason = " ".join(str(error).split())[:300]
        raise RecipeError(f"The model can't be written as {name}: {reason}") from error


def run(name: str, path: Path, images: np.ndarray, names: list[str]) -> Outputs:
    """What an exported model computes, by the format's own runtime.

    Args:
        names: of the outputs, in alphabetical order, for formats that keep only the order.
    """
    images = np.asarray(images, "float32")
    try:
        return _RUNNERS[name](path, images, names)
    except ImportError as error:
        raise RecipeError(
            f"To compare a {name} export its runtime is needed ({error}): "
            f"pip install 'lossforge[{name}]'."
        ) from None
    except Exception as error:  # runtimes raise anything
        reason = " ".join(str(error).split())[:300]
        raise ParityError(f"The {name} export in {path} does not run: {reason}") from error


def _saved_model(path: Path, images: np.ndarray, names: list[str]) -> Outputs:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # kept alive: its variables go with it
    (argument,) = loaded.signatures["serving_default"].structured_input_signature[1].values()
    served = loaded.serve(tf.cast(images, argument.dtype))
    return {name: np.asarray(value) for name, value in served.items()}


def _onnx(path: Path, images: np.ndarray, names: list[str]) -> Outputs:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    values = session.run(None, {session.get_inputs()[0].name: images})
    return _named([o.name for o in session.get_outputs()], values, names)


def _litert(path: Path, images: np.ndarray, names: list[str]) -> Outputs:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    (argument,) = runner.get_input_details()
    found = runner(**{argument: images})
    return _named(list(found), list(found.values()), names)


def _openvino(path: Path, images: np.ndarray, names: list[str]) -> Outputs:
    import openvino

    # float32 throughout: on some CPUs the default is bfloat16
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(images)
    return _named(
        [o.any_name for o in compiled.outputs], [found[o] for o in compiled.outputs], names
    )


def _keras(path: Path, images: np.ndarray, names: list[str]) -> Outputs:
    found = keras.models.load_model(path, compile=False).predict_on_batch(images)
    return {name: np.asarray(value) for name, value in found.items()}


def _named(found: list[str], values: list[Any], names: list[str]) -> Outputs:
    """By name where the format keeps names, else in the order in which the converter has them."""
    keys = found if sorted(found) == names else names
    return {key: np.asarray(value) for key, value in zip(keys, values, strict=True)}


_RUNNERS: dict[str, Callable[[Path, np.ndarray, list[str]], Outputs]] = {
    "saved_model": _saved_model,
    "onnx": _onnx,
    "litert": _litert,
    "openvino": _openvino,
    "keras": _keras,
}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back what converters print, native code included."""
    import sys

    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as nothing:
        for number in (1, 2):
            os.dup2(nothing.fileno(), number)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            for number, real in zip((1, 2), kept, strict=True):
                os.dup2(real, number)
                os.close(real)
