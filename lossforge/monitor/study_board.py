"""TensorBoard of a study: tab HParams with one row a trial; its score and terms by epoch."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lossforge.monitor.training_board import write_layout
from lossforge.search.study import is_baseline, load_study, objectives_of

BOARD = "tensorboard"


class StudyBoard:
    """Event files of the finished trials of a study, in `directory/tensorboard`.

    Parameters that a trial does not have are left out of its row: TensorBoard hides trials whose
    values have different types. A trial's number says in words whether it is the baseline, and
    whether it was pruned. Columns are in the order of the alphabet, capitals first, and five are
    shown at first: `Loss` (as text), `Origin` and `State` are among them.

    Args:
        study: of `lossforge search`.
        directory: of the study.
    """

    def __init__(self, study: optuna.Study, directory: Path) -> None:
        self._study = study
        self.path = directory / BOARD
        self._written: set[int] = set()
        self._columns: set[str] = set()
        shutil.rmtree(self.path, ignore_errors=True)

    def update(self) -> int:
        """Writes the trials that have finished since the last time; how many."""
        trials = [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.is_finished() and trial.number not in self._written
        ]
        self._write_columns(trials)
        for trial in trials:
            self._write(trial)
            self._written.add(trial.number)
        return len(trials)

    def _write_columns(self, trials: list[FrozenTrial]) -> None:
        import tensorflow as tf
        from tensorboard.plugins.hparams import api

        names = self._columns.union(*(row_of(trial) for trial in trials))
        if names == self._columns:
            return
        self._columns = names
        objectives = objectives_of(self._study)
        metrics = [api.Metric(o.metric, display_name=o.metric) for o in objectives]
        writer = _writer(self.path)
        with writer.as_default():
            config = api.hparams_config_pb([api.HParam(name) for name in sorted(names)], metrics)
            tf.summary.experimental.write_raw_pb(config.SerializeToString(), step=0)
            charts = {m: [f"{re.escape(m)}$"] for m in (o.metric for o in objectives)}
            slots = self._study.user_attrs.get("losses", {})
            charts |= {f"terms of {slot}": [rf"terms/{slot}($|/)"] for slot in slots}
            write_layout({"Trials": charts})
        writer.close()

    def _write(self, trial: FrozenTrial) -> None:
        import tensorflow as tf
        from tensorboard.plugins.hparams import api, api_pb2, summary

        score = objectives_of(self._study)[0].metric
        final = dict(trial.user_attrs.get("metrics", {}))
        if trial.state == TrialState.COMPLETE:
            for objective, value in zip(objectives_of(self._study), trial.values, strict=True):
                final[objective.metric] = value
        last = max(trial.intermediate_values, default=0)
        writer = _writer(self.path / f"trial-{trial.number:04d}")
        with writer.as_default():
            started = _seconds(trial.datetime_start)
            row = api.hparams_pb(row_of(trial), trial_id=name_of(trial), start_time_secs=started)
            tf.summary.experimental.write_raw_pb(row.SerializeToString(), step=0)
            for epoch, value in trial.intermediate_values.items():
                if epoch != last or score not in final:
                    tf.summary.scalar(score, value, step=epoch)
            for name, values in trial.user_attrs.get("terms", {}).items():
                for epoch, value in enumerate(values, 1):
                    tf.summary.scalar(f"terms/{name}", value, step=epoch)
            for name, value in final.items():
                if not name.startswith("terms/"):
                    tf.summary.scalar(name, value, step=last)
            failed = trial.state == TrialState.FAIL
            status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
            end = summary.session_end_pb(status, _seconds(trial.datetime_complete))
            tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=0)
        writer.close()


def row_of(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial's row says."""
    losses = trial.user_attrs.get("losses", {})
    texts = [f"{slot}: {text}" for slot, text in losses.items()]
    if len(losses) == 1:  # a column shows few letters
        texts = list(losses.values())
    said = {
        "Origin": "baseline" if is_baseline(trial) else "search",
        "State": trial.state.name.lower(),
        "Loss": ", ".join(texts) or "(not begun)",
    }
    return said | {n: v for n, v in trial.params.items() if v is not None}


def name_of(trial: FrozenTrial) -> str:
    """The first column: numbers of one length, so that their order is that of the alphabet."""
    state = trial.state.name.lower()
    words = ["baseline"] * is_baseline(trial) + [state] * (state != "complete")
    return ", ".join([f"{trial.number:04d}", *words])


def board_of(directory: Path, storage: str | None = None) -> StudyBoard:
    """The board of the study in a directory, or of that name in a storage.

    Raises:
        StudyError: where there is none, or the storage can't be opened.
    """
    return StudyBoard(load_study(directory.name, storage, directory), directory)


def _writer(path: Path) -> Any:
    import tensorflow as tf

    return tf.summary.create_file_writer(str(path))


def _seconds(moment: Any) -> float | None:
    return moment.timestamp() if moment else None
