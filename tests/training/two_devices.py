"""Trains a recipe on one or on two logical CPU devices and prints what came out. A script."""

import json
import os
import sys


def main(path: str, devices: str, settings: str) -> None:
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    if os.environ.get("KERAS_BACKEND") != "jax":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )

    import keras
    import numpy as np

    from lossforge.recipe import load_recipe
    from lossforge.training.train import train

    outcome = train(load_recipe(path, json.loads(settings)), devices=devices, epochs=1)
    weights = [keras.ops.convert_to_numpy(w) for w in outcome.task.network.weights]
    sizes = [float(np.abs(w).mean()) for w in weights]
    print("RESULT", json.dumps({"metrics": outcome.metrics, "weights": sizes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
