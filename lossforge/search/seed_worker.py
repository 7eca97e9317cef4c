"""The process that trains losses on seeds, for comparisons. TensorFlow lives here."""

from __future__ import annotations

import dataclasses
import gc
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from lossforge.errors import LossforgeError, RecipeError
from lossforge.search.comparison_pictures import keep_tiles
from lossforge.search.processes import begin_child

if TYPE_CHECKING:
    from lossforge.search.suggestion import Suggestion
    from lossforge.search.trainings import Setup


def train_seeds(connection: Connection, setup: Setup, log: str) -> None:
    """Trains the (contender, seed) pairs that come through `connection`, until it closes.

    Sends ("ready", what the recipe says) and, for each pair, ("training", pair, result).
    """
    begin_child(log)
    try:
        trainer = _Trainer(setup)
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
            contender, seed = connection.recv()
        except EOFError:
            return
        connection.send(("training", (contender, seed), trainer.train(contender, seed)))


class _Trainer:
    """The recipe and the contenders, read and checked once."""

    def __init__(self, setup: Setup) -> None:
        from lossforge import spec
        from lossforge.recipe import check_score, load_recipe
        from lossforge.search.moves import moves
        from lossforge.search.suggestion import Suggestion
        from lossforge.training.train import fit_slots

        self.setup = setup
        self.recipe = load_recipe(setup.recipe, setup.settings)
        self.score = check_score(setup.score or self.recipe.score)
        data = self.recipe.data(0)
        if setup.test and getattr(data, "test", None) is None:
            raise RecipeError(f"The data of {self.recipe.name} has no test split.")
        slots = self.recipe.task(data).slots
        defaults = {name: spec.parse(text) for name, text in self.recipe.losses.items()}
        contenders = [_read(texts, slots) for texts in setup.contenders]
        contenders += [Suggestion(one) for one in self._named(slots)]
        self.contenders = [one.with_defaults(defaults) for one in contenders]
        first = self.contenders[0]
        moved = moves(first.losses, setup.points) if setup.points else []
        self.contenders += [dataclasses.replace(first, losses=losses) for _, losses in moved]
        for one in self.contenders:
            fit_slots(self.recipe, slots, one.losses)
        self.described: dict[str, Any] = {
            "recipe": self.recipe.name,
            "score": self.score,
            "direction": self.recipe.direction,
            "losses": [one.texts() for one in self.contenders],
            "configs": [one.as_yaml() for one in self.contenders],
            "moves": [move for move, _ in moved],
            "test": _fingerprint(data.test) if setup.test else None,
        }

    def _named(self, slots: Any) -> list[dict[str, Any]]:
        from lossforge.search.derived_space import candidates, named_loss
        from lossforge.search.headroom import chosen_names

        if not self.setup.named:
            return []
        names = candidates(slots, self.recipe.candidates)
        chosen = chosen_names(self.recipe.losses, names, self.setup.named)
        return [{slot: named_loss(name, slots[slot])} for slot, name in chosen]

    def train(self, contender: int, seed: int) -> dict[str, Any]:
        """{"metrics", "reason", "seconds"}; whatever goes wrong costs only this training."""
        import keras

        from lossforge.training.train import train

        drawn = self.contenders[contender]
        metrics: dict[str, float] = {}
        seconds, reason = 0.0, None
        try:
            keras.utils.set_random_seed(seed)  # first: the order of tf.data depends on it
            data = self.recipe.data(seed)
            outcome = train(
                self.recipe,
                drawn.losses,
                seed=seed,
                epochs=self.setup.epochs,
                precision=self.setup.precision,
                score=self.score,
                data=data,
                callbacks=drawn.made_callbacks(),
                balance=drawn.balance,
            )
            seconds, reason = outcome.seconds, outcome.reason
            if reason is None:
                metrics = {n: v for n, v in outcome.metrics.items() if n.startswith("val_")}
                if self.setup.test:
                    scores = outcome.task.evaluate(data.test)
                    metrics |= {f"test_{name}": float(value) for name, value in scores.items()}
                if self.setup.pictures:
                    tiles = self.setup.tiles(self.described["configs"][contender], seed)
                    keep_tiles(
                        tiles, outcome.task, data.test if self.setup.test else data.validation
                    )
        except Exception as error:
            traceback.print_exc()
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        finally:
            keras.backend.clear_session()
            gc.collect()
        return {"metrics": metrics, "reason": reason, "seconds": round(seconds, 1)}


def _read(texts: tuple[str, ...], slots: Any) -> Suggestion:
    """A contender of its `--loss` texts, or of the text of a loss spec."""
    from lossforge.cli.options import read_dynamics, read_losses
    from lossforge.search.suggestion import Suggestion

    if len(texts) == 1 and "loss_config:" in texts[0]:
        return Suggestion.read(texts[0])
    balance, callbacks = read_dynamics(texts, None, ())
    return Suggestion(read_losses(texts, slots), balance, tuple(callbacks))


def _fingerprint(dataset: Any) -> str:
    """Eight letters that stand for every number of the test split."""
    import hashlib

    import numpy as np
    import tensorflow as tf

    digest = hashlib.sha256()
    for batch in dataset:
        for part in tf.nest.flatten(batch):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:8]
