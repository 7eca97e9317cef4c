"""Three questions about a handwritten digit: which it is, how thick its stroke, by what angle.

    lossforge train recipes/multi_task.py                              equal weights
    lossforge train recipes/multi_task.py --balance "Uncertainty()"
    lossforge train recipes/multi_task.py --balance "NashMTL()"
    lossforge train recipes/multi_task.py --callback "LossWarmup('thickness', begin=500)"

The digits are real, turned by a known angle. The loss of the thickness (in per cent of the width)
begins 100 times as large as that of the digit, the loss of the angle (in turns) at a 100th: as they
come. `docs/balances.md` has what every Balance makes of that.
"""

import keras

from lossforge import Recipe
from lossforge.data.turned_digits import SIDE, load_turned_digits
from lossforge.tasks.multi_task import MultiTask


def build_network(filters: int) -> keras.Model:
    """A shared trunk of three convolutions, and one hidden layer for each answer."""
    images = keras.Input((SIDE, SIDE, 1))
    x = images
    for factor, stride in ((1, 2), (2, 2), (2, 1)):
        x = keras.layers.Conv2D(factor * filters, 3, stride, "same", activation="relu")(x)
    x = keras.layers.Dense(4 * filters, "relu", name="trunk")(keras.layers.Flatten()(x))
    answers = {}
    for name, numbers in (("digit", 10), ("thickness", 1), ("angle", 1)):
        hidden = keras.layers.Dense(2 * filters, "relu", name=f"{name}_hidden")(x)
        answers[name] = keras.layers.Dense(numbers, name=name, dtype="float32")(hidden)
    return keras.Model(images, answers)


def recipe(
    most_degrees: float = 60.0,
    filters: int = 16,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    epochs: int = 16,
) -> Recipe:
    return Recipe(
        name="multi_task",
        data=lambda seed: load_turned_digits(
            seed, most_degrees=most_degrees, batch_size=batch_size
        ),
        task=lambda data: MultiTask(build_network(filters)),
        losses={"digit": "CrossEntropy()", "thickness": "MSE()", "angle": "MSE()"},
        candidates={
            "digit": ("CrossEntropy", "Focal", "Poly1"),
            "thickness": ("MSE", "MAE", "SmoothL1", "Huber"),
            "angle": ("MSE", "MAE", "SmoothL1", "Huber"),
        },
        score="val_mean_skill",
        epochs=epochs,
        optimizer=lambda steps: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=0.02)
        ),
        steps_per_execution=8,
    )
