"""Mistakes of the user: one clear line each, and the exit code that the command line ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LossforgeError(Exception):
    """A user's mistake. The message names the input, what was expected and the way out."""

    exit_code = 1


class UsageError(LossforgeError):
    """The command line itself is wrong."""

    exit_code = 2


class RecipeError(LossforgeError):
    """A recipe, a loss spec, or the data that a recipe asks for is wrong."""

    exit_code = 3


class StudyError(LossforgeError):
    """A storage, a study or a run cannot be used."""

    exit_code = 4


class NoTrialError(LossforgeError):
    """A search ended without one completed trial."""

    exit_code = 5


class ParityError(LossforgeError):
    """An exported model does not compute what the trained model computes."""

    exit_code = 6


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist: with the closest one, and all of them.

    >>> unknown_name("loss", "Focl", ["Dice", "Focal"])
    "No loss is called 'Focl'. Did you mean 'Focal'? There are: Dice, Focal."
    """
    known = sorted(known)
    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    hint = f" Did you mean '{lower[close[0]]}'?" if close else ""
    return f"No {what} is called '{name}'.{hint} There are: {', '.join(known) or 'none'}."
