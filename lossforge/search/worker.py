"""The process that trains trials. TensorFlow lives here and nowhere else in a search."""

from __future__ import annotations

import gc
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from lossforge.errors import LossforgeError
from lossforge.search.plan import Plan
from lossforge.search.processes import begin_child


def work(connection: Connection, plan: Plan, log: str) -> None:
    """Trains the trials whose ids come through `connection`, until it closes.

    Sends ("ready", {slots' space}), then for each trial ("epoch", number, epoch, epochs, score)
    and ("trial", number, state, score, reason), or ("error", exit code, message) if the recipe
    itself is at fault.
    """
    begin_child(log)
    try:
        trainer = _Trainer(connection, plan)
    except LossforgeError as error:
        connection.send(("error", error.exit_code, str(error)))
        return
    except Exception as error:
        traceback.print_exc()
        connection.send(("error", 1, f"{type(error).__name__}: {error} (see {log})"))
        return
    connection.send(("ready", trainer.described))
    while True:
        try:
            number = connection.recv()
        except EOFError:
            return
        connection.send(("trial", number, *trainer.run(number)))


class _Trainer:
    """The recipe, the space and the study, read once; then one trial after the other."""

    def __init__(self, connection: Connection, plan: Plan) -> None:
        from lossforge import spec
        from lossforge.recipe import check_score, load_recipe
        from lossforge.search import space
        from lossforge.search.study import open_study
        from lossforge.training.train import fit_slots

        self.connection, self.plan = connection, plan
        self.recipe = load_recipe(plan.recipe, plan.settings)
        self.score = check_score(plan.score or self.recipe.score)
        slots = self.recipe.task(self.recipe.data(plan.seed)).slots
        named = self.recipe.candidates if plan.space == "auto" else {}
        self.space = space.candidates(slots, named)
        self.baseline = {name: spec.parse(text) for name, text in self.recipe.losses.items()}
        fit_slots(self.recipe, slots, {})
        self.study = open_study(plan, self.recipe.direction)
        self.described = {
            "space": space.described(self.space),
            "baseline": space.parameters_of(self.baseline, self.space),
            "score": self.score,
            "direction": self.recipe.direction,
            "epochs": plan.epochs or self.recipe.epochs,
        }

    def run(self, number: int) -> tuple[str, float | None, str | None]:
        """(state, score, reason) of one trial; whatever goes wrong in it costs only this trial."""
        import keras

        started = time.monotonic()
        trial_id = self.study._storage.get_trial_id_from_study_id_trial_number(
            self.study._study_id, number
        )
        try:
            state, score, reason = self._train(trial_id, number)
        except Exception as error:
            traceback.print_exc()
            state, score, reason = "fail", None, f"{type(error).__name__}: {error}"[:500]
        finally:
            keras.backend.clear_session()
            gc.collect()
        attributes: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        if reason:
            attributes["reason"] = " ".join(reason.split())
        for name, value in attributes.items():
            self.study._storage.set_trial_user_attr(trial_id, name, value)
        return state, score, reason

    def _train(self, trial_id: int, number: int) -> tuple[str, float | None, str | None]:
        import optuna

        from lossforge import spec
        from lossforge.search import space
        from lossforge.search.study import pruner_of, sampler_of
        from lossforge.search.trial_report import TrialReport
        from lossforge.training.train import train

        epochs = self.plan.epochs or self.recipe.epochs
        self.study.sampler = sampler_of(self.plan, number)
        self.study.pruner = pruner_of(self.plan, epochs)
        trial = optuna.trial.Trial(self.study, trial_id)
        is_baseline = trial.user_attrs.get("origin") == "baseline"
        losses = space.suggest(trial, self.space)
        if is_baseline:
            losses = self.baseline
        trial.set_user_attr("losses", {slot: spec.text(loss) for slot, loss in losses.items()})
        trial.set_user_attr("loss_config", spec.dump(losses))

        def tell(epoch: int, value: float) -> None:
            self.connection.send(("epoch", number, epoch, epochs, value))

        report = TrialReport(trial, self.score, tell, prune=not is_baseline)
        outcome = train(
            self.recipe,
            losses,
            seed=self.plan.seed,
            epochs=epochs,
            precision=self.plan.precision,
            score=self.score,
            callbacks=[report],
        )
        if outcome.reason:
            return "pruned", None, outcome.reason
        trial.set_user_attr("metrics", outcome.metrics)
        if report.pruned_at:
            return "pruned", None, f"below the others after epoch {report.pruned_at}"
        return "complete", outcome.score, None
