"""Classification of real handwritten digits, where the loss matters or where it does not.

    lossforge search recipes/digits.py --set noise=0.4          40 % of the labels are wrong
    lossforge search recipes/digits.py --set tail=30            classes of 60 down to 2 examples
    lossforge search recipes/digits.py --set examples=150       clean: there is nothing to gain
    lossforge compare recipes/digits.py --set noise=0.4 --loss "SymmetricCrossEntropy()"

Expect, with the defaults, on 2 CPU cores: validation accuracy of 0.96 after 3 s.
"""

import keras

from lossforge import Recipe
from lossforge.data.digits import load_digit_data
from lossforge.tasks.classification import Classification


def recipe(
    noise: float = 0.0,
    tail: float = 1.0,
    examples: int = 600,
    noisy_validation: bool = False,
    units: int = 32,
    learning_rate: float = 0.01,
    epochs: int = 40,
) -> Recipe:
    def task(data):
        layers = [keras.Input((64,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(10)]
        return Classification(keras.Sequential(layers), map(str, range(10)), data.class_counts)

    named = ["CrossEntropy", "Focal", "GeneralisedCrossEntropy", "SymmetricCrossEntropy", "Poly1"]
    if tail > 1.0:
        named[2:4] = ["LogitAdjusted", "ClassBalanced"]

    return Recipe(
        name="digits",
        data=lambda seed: load_digit_data(
            seed, examples=examples, noise=noise, noisy_validation=noisy_validation, tail=tail
        ),
        task=task,
        losses={"classes": "CrossEntropy()"},
        candidates={"classes": named},
        score="val_balanced_accuracy",
        epochs=epochs,
        optimizer=lambda steps: keras.optimizers.Adam(learning_rate),
        steps_per_execution=4,
    )
