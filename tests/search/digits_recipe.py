"""A recipe that trains in about a second: a softmax on scikit-learn's digits."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from sklearn.datasets import load_digits

from lossforge import Recipe
from lossforge.losses.base import Loss
from lossforge.recipe import Reading, Slot


class TurnsNaN(Loss):
    """Fine until the model is confident: then the logarithm of a negative number."""

    kinds = ("multiclass",)

    def call(self, y_true, y_pred):
        picked = ops.take_along_axis(y_pred, ops.cast(y_true, "int32")[:, None], axis=1)[:, 0]
        return -ops.log(0.5 - picked) - 40.0 * picked


class Data:
    def __init__(self, seed):
        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        x, y = (x[order] / 16).astype("float32"), y[order].astype("int32")
        self.train = tf.data.Dataset.from_tensor_slices((x[:1200], y[:1200]))
        self.train = self.train.shuffle(1200, seed=seed).batch(32, drop_remainder=True)
        self.validation = tf.data.Dataset.from_tensor_slices((x[1200:1500], y[1200:1500])).batch(64)
        self.test = tf.data.Dataset.from_tensor_slices((x[1500:], y[1500:])).batch(64)


class Classifier:
    def __init__(self):
        self.network = keras.Sequential(
            [keras.Input((64,)), keras.layers.Dense(10, activation="softmax")]
        )
        self.slots = {"classes": Slot("classes", ("multiclass",), {"task": "multiclass"})}

    def read(self, target, outputs):
        return {"classes": {"multiclass": Reading(target, outputs)}}

    def evaluate(self, dataset):
        right = [np.argmax(self.network.predict_on_batch(x), -1) == y for x, y in dataset]
        accuracy = float(np.mean(np.concatenate(right)))
        return {"accuracy": accuracy, "wrong": 1.0 - accuracy}


def recipe(candidates=("CrossEntropy", "Focal"), score="val_accuracy"):
    return Recipe(
        name="digits",
        data=Data,
        task=lambda data: Classifier(),
        losses={"classes": "CrossEntropy()"},
        candidates={"classes": tuple(candidates)},
        score=score,
        epochs=3,
        optimizer=lambda steps: keras.optimizers.Adam(0.02),
        steps_per_execution=4,
    )
