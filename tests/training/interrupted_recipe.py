"""The digits recipe with dropout and noise in the data, whose process kills itself where told."""

import os
import signal
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from lossforge import Recipe
from lossforge.recipe import Reading, Slot


def noisy(batch, pair):
    x, y = batch
    return x + tf.random.stateless_uniform((32, 64), pair, maxval=0.1), y


class Data:
    def __init__(self, seed):
        x, y = load_digits(return_X_y=True)
        x, y = (x / 16).astype("float32"), y.astype("int32")
        train = tf.data.Dataset.from_tensor_slices((x[:640], y[:640])).shuffle(640, seed=seed)
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
        batches = tf.data.Dataset.zip(train.batch(32, drop_remainder=True), seeds)
        self.train = batches.map(noisy, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        self.validation = tf.data.Dataset.from_tensor_slices((x[640:900], y[640:900])).batch(130)


class Classifier:
    def __init__(self):
        layers = [
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax", dtype="float32"),
        ]
        self.network = keras.Sequential([keras.Input((64,)), *layers])
        self.slots = {"classes": Slot("classes", ("multiclass",), {"task": "multiclass"})}

    def read(self, target, outputs):
        return {"classes": {"multiclass": Reading(target, outputs)}}

    def evaluate(self, dataset):
        right = [np.argmax(self.network.predict_on_batch(x), -1) == y for x, y in dataset]
        return {"accuracy": float(np.mean(np.concatenate(right)))}

    def pictures(self, dataset):
        images = next(iter(dataset))[0].numpy()[:8].reshape(8, 8, 8, 1)
        return {"digits": (255 * np.concatenate(list(images.repeat(3, -1)), 1)).astype("uint8")}

    def points(self, dataset):
        x, y = next(iter(dataset))
        images = x.numpy().reshape(-1, 8, 8, 1).repeat(3, -1)
        return self.network.predict_on_batch(x), y.numpy(), (255 * images).astype("uint8")

    def curves(self, dataset):
        x, y = next(iter(dataset))
        return {"is_three": (y.numpy() == 3, self.network.predict_on_batch(x)[:, 3])}


class Kill(keras.callbacks.Callback):
    """SIGKILL at a batch of an epoch (or, without a batch, at its end), once."""

    def __init__(self, where, marker):
        super().__init__()
        self.where, self.marker, self.epoch = where, Path(marker), 0

    def now(self, where):
        if where == self.where and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.now(f"{self.epoch}:{batch}")

    def on_epoch_end(self, epoch, logs=None):
        self.now(f"{epoch}:end")


def recipe(kill="never", marker="killed"):
    return Recipe(
        name="interrupted",
        data=Data,
        task=lambda data: Classifier(),
        losses={"classes": "CrossEntropy() + 0.1*Focal()"},
        score="val_accuracy",
        epochs=4,
        optimizer=lambda steps: keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(0.01, steps)
        ),
        callbacks=lambda steps: [Kill(kill, marker)],
    )
