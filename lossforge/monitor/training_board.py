"""TensorBoard of one training: curves side by side, schedules, and what the task has to show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

Layout = dict[str, dict[str, list[str]]]  # categories of charts of patterns of tags
CURVES: Layout = {
    "Balance": {
        "effective weights": [r"epoch_weights/"],
        "shares of the total": [r"epoch_shares/"],
        "gradient norms": [r"epoch_gradient_norms/"],
        "gradient conflicts": [r"epoch_cosines/"],
    },
    "Schedules": {
        "learning rate": [r"epoch_learning_rate"],
        "loss scale": [r"epoch_loss_scale"],
        "parameters of losses": [r"epoch_parameters/"],
    },
}


class TrainingBoard(keras.callbacks.TensorBoard):
    """Writes a training for TensorBoard, under `directory`.

    Beyond Keras's own: a layout that puts training and validation of each term in one chart (tab
    Custom Scalars; a chart of what this training does not log is left out), the scale of dynamic
    loss scaling, the task's `pictures` (tab Images) and `curves` of precision and recall (tab PR
    Curves), the last two after epochs 1, 2, 4, 8, ... and after the last one.

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
        self._laid_out = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        if hasattr(self.model.optimizer, "dynamic_scale"):  # mixed_float16
            scale = self.model.optimizer.dynamic_scale
            logs["loss_scale"] = float(keras.ops.convert_to_numpy(scale))
        super().on_epoch_end(epoch, logs)
        if not self._laid_out:
            with self._train_writer.as_default():
                write_layout(charts_of(self._task.slots, [*logs, "learning_rate"]))
            self._laid_out = True
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


def charts_of(slots: Iterable[str], logged: Iterable[str]) -> Layout:
    """The charts of the tab Custom Scalars: each slot's terms in one, and what moves them.

    Args:
        slots: of the task.
        logged: names in the logs of an epoch; a chart without any of them is left out.

    >>> charts_of(["box"], ["terms/box/giou", "learning_rate"])["Schedules"]
    {'learning rate': ['epoch_learning_rate']}
    """
    tags = [f"epoch_{name}" for name in logged]
    terms = {slot: [rf"epoch_terms/{slot}($|/)"] for slot in slots}
    found = {
        title: {
            name: patterns
            for name, patterns in charts.items()
            if any(re.match(pattern, tag) for pattern in patterns for tag in tags)
        }
        for title, charts in {"Terms": {"total": [r"epoch_loss$"], **terms}, **CURVES}.items()
    }
    return {title: charts for title, charts in found.items() if charts}


def write_layout(layout: Layout) -> None:
    """Into the writer that is current."""
    import tensorflow as tf
    from tensorboard.plugins.custom_scalar import layout_pb2, summary

    categories = [
        layout_pb2.Category(
            title=title,
            chart=[
                layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=tags))
                for name, tags in charts.items()
            ],
        )
        for title, charts in layout.items()
    ]
    content = summary.pb(layout_pb2.Layout(category=categories))
    tf.summary.experimental.write_raw_pb(content.SerializeToString(), step=0)


def write_curve(name: str, labels: Any, scores: Any, step: int) -> None:
    """A curve of precision and recall, into the writer that is current."""
    import numpy as np
    import tensorflow as tf
    from tensorboard.plugins.pr_curve import summary

    labels, scores = np.asarray(labels, bool), np.clip(scores, 0.0, 1.0)
    content = summary.pb(name, labels, scores, num_thresholds=101)
    tf.summary.experimental.write_raw_pb(content.SerializeToString(), step=step)
