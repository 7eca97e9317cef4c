"""A study in a few lines, and the studies of a directory. Imports no TensorFlow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import optuna

from lossforge.errors import StudyError
from lossforge.search import report
from lossforge.search import study as studies
from lossforge.search.confirm import RAW as CONFIRMED
from lossforge.search.gate import GATE
from lossforge.search.storage import JOURNAL


def studies_in(parent: Path, storage: str | None = None) -> list[dict[str, Any]]:
    """What `summary` says of each study below a directory, the youngest first.

    Args:
        parent: holds the studies' directories.
        storage: of a database; then all of its studies, whose files are looked for in `parent`.

    Raises:
        StudyError: for no such directory, or a storage that can't be opened.
    """
    if not storage and not parent.is_dir():
        raise StudyError(f"There is no directory '{parent}'. 'lossforge search' makes studies.")
    if storage:
        from lossforge.search.storage import open_storage

        directories = [
            parent / n for n in optuna.get_all_study_names(open_storage(storage, parent))
        ]
    else:
        journals = sorted(parent.glob(f"*/{JOURNAL}"), key=lambda p: -p.stat().st_mtime)
        directories = [journal.parent for journal in journals]
    found = []
    for directory in directories:
        try:
            found.append(summary(studies.load_study(directory.name, storage, directory), directory))
        except StudyError as error:  # not begun, or broken: the others are still of use
            found.append({"study": str(directory), "problem": str(error)})
    return found


def summary(study: optuna.Study, directory: Path) -> dict[str, Any]:
    """Plain facts of a study: trials, the best one, what is proven.

    Raises:
        StudyError: for a study of another tool.
    """
    attributes = study.user_attrs
    if "plan" not in attributes:
        raise StudyError(f"'{directory}' is no study of lossforge: it has no plan.")
    plan = json.loads(attributes["plan"])
    states = Counter(t.state.name.lower() for t in study.get_trials(deepcopy=False))
    ranked = studies.ranked(study)
    found: dict[str, Any] = {
        "study": str(directory),
        "recipe": plan["recipe"],
        "settings": plan["settings"],
        "space": plan["space"],
        "score": report.score_of(study),
        "done": studies.spent(study),
        "trials": max(plan["trials"], attributes.get("trials", 0)),
        "states": dict(states),
        "best": None,
        "verdict": report.verdict(study) if ranked else "No trial completed yet.",
        "gate": _sentences(directory / GATE, "sentence"),
        "confirmed": _sentences(directory / CONFIRMED, "sentences"),
    }
    if ranked:
        best = ranked[0]
        values = {"trial": best.number, "values": best.values}
        found["best"] = values | {"losses": best.user_attrs["losses"]}
    return found


def line(found: dict[str, Any]) -> str:
    """A summary as one line."""
    if "problem" in found:
        return f"{found['study']}  {found['problem']}"
    best = found["best"]
    shown = "no trial completed" if best is None else f"{found['score']} {best['values'][0]:.4f}"
    proof = "confirmed" if found["confirmed"] else "not confirmed"
    counts = f"{found['done']}/{found['trials']} trials"
    return f"{found['study']}  {found['recipe']}  {counts}  {shown}  {proof}"


def lines(study: optuna.Study, found: dict[str, Any]) -> list[str]:
    """A summary in full, with the best trials as a table."""
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items())
    shown = [f"{found['study']}", ""]
    shown += [f"Recipe: {found['recipe']} {found['settings'] or ''}".rstrip()]
    shown += [f"Space: {found['space']}"]
    shown += [f"Trials: {found['done']} of {found['trials']} ({states})", ""]
    shown += [found["verdict"]]
    shown += [f"Gate: {sentence}" for sentence in found["gate"]]
    shown += [f"Confirmed: {sentence}" for sentence in found["confirmed"]]
    if found["best"] is not None:
        shown += ["", f"trial  {found['score']}  to baseline  losses"]
        shown += ["  ".join(row) for row in report.rows(study)]
    return shown


def _sentences(path: Path, name: str) -> list[str]:
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))[name]
    return [found] if isinstance(found, str) else list(found)
