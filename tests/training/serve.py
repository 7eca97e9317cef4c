"""Calls exported models where there is TensorFlow alone. A script; imports nothing of lossforge.

In the directory that it is given: `calls.json`, a list of {model, endpoint, inputs}, and the arrays
that these name. The outputs of call N go to `found_N.npz`.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(directory: Path) -> None:
    for hidden in ("lossforge", "optuna", "keras_cv", "sklearn"):
        assert importlib.util.find_spec(hidden) is None, f"{hidden} is here"
    models = {}
    for number, call in enumerate(json.loads((directory / "calls.json").read_text())):
        name = call["model"]
        if name not in models:  # kept: its variables go with it
            models[name] = tf.saved_model.load(str(directory / name))
        inputs = [tf.constant(np.load(directory / file)) for file in call["inputs"]]
        found = getattr(models[name], call["endpoint"])(*inputs)
        np.savez(directory / f"found_{number}.npz", **{n: v.numpy() for n, v in found.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
