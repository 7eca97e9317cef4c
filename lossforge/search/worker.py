"""The process that trains trials. TensorFlow lives here and nowhere else in a search."""

from __future__ import annotations

import contextlib
import gc
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError

from lossforge.errors import LossforgeError, RecipeError, unknown_name
from lossforge.search.plan import Plan
from lossforge.search.processes import begin_child


def work(connection: Connection, plan: Plan, log: str) -> None:
    """Trains the trials whose ids come through `connection`, until it closes.

    Sends ("ready", what the recipe says), then for each trial ("epoch", number, epoch, epochs,
    score) and ("trial", number, state, values, reason), or ("error", exit code, message) if the
    recipe itself is at fault.
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
        from lossforge.search.gradient_scale import gradient_scale
        from lossforge.search.plan import objectives, read_guard
        from lossforge.search.space import read_space
        from lossforge.search.study import open_study
        from lossforge.search.suggestion import Suggestion
        from lossforge.training.precision import set_precision
        from lossforge.training.train import executions, fit_slots

        precision = set_precision(plan.precision)
        self.connection, self.plan = connection, plan
        self.recipe = recipe = load_recipe(plan.recipe, plan.settings)
        self.objectives = objectives(plan.score or recipe.score, recipe.score, recipe.direction)
        for objective in self.objectives:
            check_score(objective.metric)
        self.guards = [read_guard(text) for text in plan.guards]
        data = recipe.data(plan.seed)
        task = recipe.task(data)
        scale = gradient_scale(task, data.train)
        steps = None
        if not hasattr(task, "trainable"):  # a model of its own may train its terms apart
            steps = executions(recipe, data.train)[1] * (plan.epochs or recipe.epochs)
        self.space = read_space(plan.space, recipe, task.slots, plan.further, scale, steps)
        self.baseline = {name: spec.parse(text) for name, text in recipe.losses.items()}
        self.own = Suggestion(self.baseline)
        fit_slots(recipe, task.slots, {})
        self._try_space(task.slots)
        directions = [objective.maximize for objective in self.objectives]
        self.study = open_study(plan, directions)
        self.described = {
            "recipe": recipe.name,
            "space": self.space.described(),
            "named": self._named(task.slots),
            "baseline": self.space.parameters_of(self.baseline),
            "losses": dict(recipe.losses),
            "objectives": [[o.metric, o.maximize] for o in self.objectives],
            "epochs": plan.epochs or recipe.epochs,
            "precision": precision,
            "versions": _versions(),
        }

    def _named(self, slots: Any) -> list[dict[str, Any]]:
        """Parameters of a few losses as they are: trials begin with what is known, and with the
        best of what another search found."""
        from lossforge.search.derived_space import candidates, named_loss
        from lossforge.search.headroom import chosen_names

        names = candidates(slots, self.recipe.candidates)
        chosen = chosen_names(self.recipe.losses, names, 2)
        chosen += [(slot, text) for slot, texts in self.plan.further.items() for text in texts[:2]]
        found = [
            self.space.parameters_of(self.baseline | {slot: named_loss(name, slots[slot])})
            for slot, name in chosen
        ]
        return [parameters for parameters in found if parameters]

    def _try_space(self, slots: Any) -> None:
        """One draw: a space at fault shows before the study begins."""
        import optuna

        from lossforge.training.train import fit_slots

        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self.plan.seed))
        fit_slots(self.recipe, slots, self.space.suggest(study.ask()).losses)

    def run(self, number: int) -> tuple[str, list[float] | None, str | None]:
        """(state, values, reason) of one trial; whatever goes wrong in it costs only this trial."""
        import keras

        started = time.monotonic()
        # All are read: Optuna's cache of a database does not know trials that others began.
        trial_id = self.study.get_trials(deepcopy=False)[number]._trial_id
        try:
            state, values, reason = self._train(trial_id, number)
        except Exception as error:
            traceback.print_exc()
            state, reason = what_went_wrong(error)
            values = None
        finally:
            keras.backend.clear_session()
            gc.collect()
        attributes: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        if reason:
            attributes["reason"] = reason = " ".join(reason.split())
        with contextlib.suppress(UpdateFinishedTrialError):  # given up by another, as silent
            for name, value in attributes.items():
                self.study._storage.set_trial_user_attr(trial_id, name, value)
        return state, values, reason

    def _train(self, trial_id: int, number: int) -> tuple[str, list[float] | None, str | None]:
        import optuna

        from lossforge.search.study import is_baseline, pruner_of, sampler_of
        from lossforge.search.trial_report import TrialReport
        from lossforge.training.train import train

        epochs = self.plan.epochs or self.recipe.epochs
        self.study.sampler = sampler_of(self.plan, number)
        self.study.pruner = pruner_of(self.plan, epochs)
        trial = optuna.trial.Trial(self.study, trial_id)
        own = is_baseline(trial)
        known = "origin" in trial.user_attrs  # named losses are not pruned: they are the measure
        drawn = self.space.suggest(trial)
        drawn = self.own if own else drawn.with_defaults(self.baseline)
        trial.set_user_attr("losses", drawn.texts())
        trial.set_user_attr("loss_config", drawn.as_yaml())
        metric = self.objectives[0].metric

        def tell(epoch: int, value: float) -> None:
            self.connection.send(("epoch", number, epoch, epochs, value))

        report = TrialReport(trial, metric, tell, prune=not known, single=len(self.objectives) == 1)
        outcome = train(
            self.recipe,
            drawn.losses,
            seed=self.plan.seed,
            epochs=epochs,
            precision=self.plan.precision,
            score=metric,
            callbacks=[*drawn.made_callbacks(), report],
            balance=drawn.balance,
        )
        if outcome.reason:
            return "pruned", None, outcome.reason
        metrics = outcome.metrics | {"step_seconds": report.step_seconds}
        trial.set_user_attr("metrics", metrics)
        trial.set_user_attr("terms", report.terms)
        trial.set_user_attr("shares", report.shares)
        if report.pruned_at:
            return "pruned", None, f"below the others after epoch {report.pruned_at}"
        for guard in self.guards:
            violation = guard.violation(_measured(metrics, guard.metric))
            trial.set_constraint(guard.metric, violation if violation == violation else 1.0)
        return "complete", [_measured(metrics, o.metric) for o in self.objectives], None


def what_went_wrong(error: Exception) -> tuple[str, str]:
    """(state, reason) of a trial that raised: too large a trial is pruned, others fail.

    >>> what_went_wrong(MemoryError("8 GB"))
    ('pruned', 'out of memory: 8 GB')
    """
    # By name, as TensorFlow and JAX have one each (XlaRuntimeError: RESOURCE_EXHAUSTED).
    exhausted = "ResourceExhausted" in type(error).__name__ or "RESOURCE_EXHAUSTED" in str(error)
    if exhausted or isinstance(error, MemoryError):
        return "pruned", f"out of memory: {error}"[:500]
    return "fail", f"{type(error).__name__}: {error}"[:500]


def _measured(metrics: dict[str, float], name: str) -> float:
    if name not in metrics:
        known = [n for n in metrics if n.startswith("val_") or n == "step_seconds"]
        raise RecipeError(unknown_name("metric of this task", name, known))
    return metrics[name]


def _versions() -> dict[str, str]:
    import platform
    from importlib import metadata

    packages = ("lossforge", "tensorflow", "keras", "optuna", "numpy")
    found = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
