"""TensorBoard of one training: curves side by side, schedules, and what the task has to show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

CURVES = {
    "Loss": {"total": [r"epoch_loss$"]},
    "Balance": {
        "effective weights": [r"epoch_weights/"],
        "shares of the total": [r"epoch_shares/"],
        "gradient norms": [r"epoch_gradients/norm"],
        "gradient conflicts": [r"epoch_gradients/(cosine|conflict)"],
    },
    "Schedules": {
        "learning rate": [r"epoch_learning_rate"],
        "loss scale": [r"epoch_loss_scale"],
        "others": [r"epoch_schedules/"],
    },
}


class TrainingBoard(keras.callbacks.TensorBoard):
    """Writes a training for TensorBoard, under `directory`.

    Beyond Keras's own: a layout that puts training and validation of each term in one chart (tab
    Custom Scalars), the scale of dynamic loss scaling, the task's `pictures` (tab Images) and
    `curves` of precision and recall (tab PR Curves), the last two after epochs 1, 2, 4, 8, ... and
    after the last one.

    Args:
        directory: of the event files.
        task: the task that is trained; `pictures` and `curves` are used where it has them.
        dataset: what they are made from.
        histogram_freq: every so many epochs the distribution of each weight; 0 for never.
    """

    def __init__(
        self, directory: str | Path, task: Any, dataset: Any, histogram_freq: int = 0
    ) -> None:
        super().__init__(str(directory), write_graph=False, histogram_freq=histogram_freq)
        self._task, self._dataset = task, dataset

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        with self._train_writer.as_default():
            write_layout(self._task.slots)

    def on_epoch_end(self, epoch, logs=None):
        if hasattr(self.model.optimizer, "dynamic_scale"):  # mixed_float16
            scale = self.model.optimizer.dynamic_scale
            logs["loss_scale"] = float(keras.ops.convert_to_numpy(scale))
        super().on_epoch_end(epoch, logs)
        last = epoch + 1 == self.params["epochs"]
        if last or is_power_of_two(epoch + 1):
            self._show(epoch)

    def _show(self, epoch: int) -> None:
        with self._val_writer.as_default():
            if hasattr(self._task, "pictures"):
                for name, picture in self._task.pictures(self._dataset).items():
                    self.summary.image(name, picture[None], step=epoch)
            if hasattr(self._task, "curves"):
                for name, (labels, scores) in self._task.curves(self._dataset).items():
                    write_curve(name, labels, scores, epoch)


def is_power_of_two(number: int) -> bool:
    """
    >>> [n for n in range(10) if is_power_of_two(n)]
    [1, 2, 4, 8]
    """
    return number > 0 and number & (number - 1) == 0


def layout(slots: Iterable[str]) -> Any:
    """The charts of the tab Custom Scalars: each term's curves in one chart."""
    from tensorboard.plugins.custom_scalar import layout_pb2

    terms = {slot: [rf"epoch_terms/{slot}($|/)"] for slot in slots}
    categories = []
    for title, charts in {"Terms": terms, **CURVES}.items():
        lines = [
            layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=tags))
            for name, tags in charts.items()
        ]
        categories.append(layout_pb2.Category(title=title, chart=lines))
    return layout_pb2.Layout(category=categories)


def write_layout(slots: Iterable[str]) -> None:
    """Into the writer that is current."""
    import tensorflow as tf
    from tensorboard.plugins.custom_scalar import summary

    content = summary.pb(layout(slots))
    tf.summary.experimental.write_raw_pb(content.SerializeToString(), step=0)


def write_curve(name: str, labels: Any, scores: Any, step: int) -> None:
    """A curve of precision and recall, into the writer that is current."""
    import numpy as np
    import tensorflow as tf
    from tensorboard.plugins.pr_curve import summary

    labels, scores = np.asarray(labels, bool), np.clip(scores, 0.0, 1.0)
    content = summary.pb(name, labels, scores, num_thresholds=101)
    tf.summary.experimental.write_raw_pb(content.SerializeToString(), step=step)
