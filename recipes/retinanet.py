"""Object detection on real handwritten digits in real photographs, or on any data of yours.

    lossforge search recipes/retinanet.py
    lossforge train recipes/retinanet.py --loss "Focal(gamma=1.5)" --loss "box=GIoU()"
    lossforge train recipes/retinanet.py --set data=voc/2007 --set image_size=512
    lossforge train recipes/retinanet.py --set data=my_coco_folder --set model=keras_cv:retinanet

Expect, with the defaults, on 2 CPU cores: AP50 of 0.6 after about 50 s of training.
"""

import keras

from lossforge import Recipe
from lossforge.data.detection import load_detection
from lossforge.tasks.detection import Detection
from lossforge.tasks.detectors import build_detector


def recipe(
    data: str = "digit_scenes",
    model: str = "small_retinanet",
    image_size: int = 96,
    batch_size: int = 8,
    train_examples: int | None = None,
    imbalance: float = 1.0,
    learning_rate: float = 4e-3,
    epochs: int = 10,
) -> Recipe:
    def optimizer(steps: int) -> keras.optimizers.Optimizer:
        warmup = min(50, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            learning_rate / 20, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
        return keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=10.0)

    return Recipe(
        name="retinanet",
        data=lambda seed: load_detection(
            data,
            image_size=image_size,
            batch_size=batch_size,
            train_examples=train_examples,
            imbalance=imbalance,
            seed=seed,
        ),
        task=lambda data: Detection(
            build_detector(model, len(data.class_names), image_size), data.class_names
        ),
        losses={"classification": "Focal(gamma=2.0, alpha=0.25)", "box": "SmoothL1()"},
        candidates={
            "classification": ("CrossEntropy", "Focal", "QualityFocal", "Varifocal"),
            "box": ("SmoothL1", "Huber", "BalancedL1", "IoU", "GIoU", "DIoU", "CIoU", "EIoU"),
        },
        score="val_AP50",
        epochs=epochs,
        optimizer=optimizer,
        steps_per_execution=8,
    )
