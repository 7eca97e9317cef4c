"""Trains recipes on one and on two logical CPU devices, and prints what came out. A script.

By plain gradient descent: Adam's steps are of one size, also along slopes that are mere rounding.
Its argument is JSON: [[recipe, settings, {slot: loss}], ...].
"""

import dataclasses
import json
import os
import sys
import traceback

DEVICES = ("cpu", "mirrored")


def main(trainings: str) -> None:
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for path, settings, losses in json.loads(trainings):
        results = {}
        for devices in DEVICES:
            try:
                results[devices] = trained(path, settings, losses, devices)
            except Exception as error:
                traceback.print_exc()
                results[devices] = {"error": f"{type(error).__name__}: {error}"}
        print("RESULT", json.dumps({"recipe": path, **results}), flush=True)


def trained(path, settings, losses, devices):
    import keras
    import numpy as np

    from lossforge import spec
    from lossforge.recipe import load_recipe
    from lossforge.training.train import train

    chosen = {slot: spec.parse(text) for slot, text in losses.items()}
    recipe = dataclasses.replace(
        load_recipe(path, settings), optimizer=lambda steps: keras.optimizers.SGD(0.01)
    )
    outcome = train(recipe, chosen, devices=devices, epochs=1)
    weights = [keras.ops.convert_to_numpy(w) for w in outcome.task.network.weights]
    keras.backend.clear_session()
    return {
        "metrics": outcome.metrics,
        "weights": [float(np.abs(w).mean()) for w in weights],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
