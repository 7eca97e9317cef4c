"""lossforge check: what is wrong with a loss of one's own."""

from __future__ import annotations

from typing import Any

import click

from lossforge.cli import options
from lossforge.errors import RecipeError, UsageError, unknown_name


@click.command("check")
@click.argument("loss")
@click.option("--kind", metavar="KIND", help="What it reads; a lossforge.Loss says so itself.")
@click.option("--from-logits", is_flag=True, help="It reads logits, not probabilities.")
def command(loss, kind, from_logits) -> None:
    """Test LOSS, a file or file:Name, and explain each failure.

    It may be a class derived from lossforge.Loss or keras.losses.Loss, an object of one, or a
    function (y_true, y_pred). Exit code 3 if it should not be trained with.

    \b
    lossforge check my_loss.py
    lossforge check my_loss.py:MyLoss
    lossforge check my_loss.py:my_function --kind multiclass --from-logits
    """
    from pathlib import Path

    path, _, name = loss.partition(":")
    if not Path(path).is_file():
        raise RecipeError(f"There is no file '{path}'. lossforge check takes file.py:Name.")
    with options.quiet_start():
        from lossforge import checking
        from lossforge.kinds import KINDS
    if kind is not None and kind not in KINDS:
        raise UsageError(unknown_name("kind", kind, KINDS))
    name, found = pick(Path(path), name)
    subject, kinds = as_loss(found, name, from_logits)
    kinds = (kind,) if kind else kinds
    if not kinds:
        raise UsageError(
            f"What does {name} read? Give --kind, such as --kind multiclass or regression. "
            f"There are: {', '.join(sorted(KINDS))}."
        )
    bad = 0
    for each in kinds:
        problems = checking.findings(subject, KINDS[each])
        click.echo(f"{name} as {each}: {KINDS[each].reads}")
        for problem in problems:
            click.echo(f"  {'note' if problem.harmless else 'FAIL'}  {problem}")
        bad += sum(not problem.harmless for problem in problems)
        if not problems:
            click.echo("  ok    everything that is promised of a loss holds")
    if bad:
        raise RecipeError(f"{name} fails {bad} of the checks.")


def pick(path: Any, name: str) -> tuple[str, Any]:
    """The loss of that name in a Python file, or the only one there."""
    import runpy
    import sys

    sys.path.insert(0, str(path.parent))
    try:
        content = runpy.run_path(str(path))
    except Exception as error:
        text = " ".join(str(error).split())
        raise RecipeError(f"{path}: {type(error).__name__}: {text}") from None
    finally:
        sys.path.remove(str(path.parent))
    own = {n: v for n, v in content.items() if not n.startswith("_") and _is_loss(v)}
    if name and name not in own:
        raise RecipeError(unknown_name(f"loss of {path}", name, own))
    if not name and len(own) != 1:
        there = f"{len(own)} losses: {', '.join(sorted(own))}" if own else "no loss"
        raise RecipeError(f"{path} has {there}. Say which one: {path}:Name.")
    name = name or next(iter(own))
    return name, own[name]


def as_loss(found: Any, name: str, from_logits: bool) -> tuple[Any, tuple[str, ...]]:
    """(the object as a loss of ours, the Kinds that it says it reads)."""
    import keras

    from lossforge.checking import adapted
    from lossforge.losses.base import Loss

    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            text = " ".join(str(error).split())
            raise RecipeError(
                f"{name}() can't be made without arguments ({text}): make an object in the file, "
                f"such as my_loss = {name}(...), and check that."
            ) from None
    if isinstance(found, Loss):
        return found, found.kinds
    if isinstance(found, keras.losses.Loss):
        logits = from_logits or bool(getattr(found, "from_logits", False))
        return adapted(found.call, name, logits), ()
    return adapted(found, name, from_logits), ()


def _is_loss(value: Any) -> bool:
    """Defined in the file itself, and of a form that can be a loss."""
    import inspect

    import keras

    from_file = "<run_path>"
    if isinstance(value, keras.losses.Loss):
        return True
    if getattr(value, "__module__", None) != from_file:
        return False
    if isinstance(value, type):
        return issubclass(value, keras.losses.Loss)
    if not inspect.isfunction(value):
        return False
    needed = [
        p for p in inspect.signature(value).parameters.values() if p.default is inspect._empty
    ]
    return len(needed) == 2
