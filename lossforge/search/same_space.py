"""A study goes on in the space that it began with, or not at all."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from lossforge.errors import StudyError


def check_same(study: str, known: Mapping[str, Any], described: Mapping[str, Any]) -> None:
    """Refuses to go on with another space than the study began with, and shows what differs.

    Raises:
        StudyError: when they differ.
    """
    if known == described:
        return
    before, now = _lines(known), _lines(described)
    changed = [
        line
        for line in difflib.unified_diff(before, now, lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ]
    shown = "; ".join(changed[:6]) + ("; ..." if len(changed) > 6 else "")
    raise StudyError(
        f"The study '{study}' searched another space. Changed (- before, + now): {shown}. "
        "Give --directory for a new study."
    )


def _lines(described: Mapping[str, Any], prefix: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in described.items():
        if isinstance(value, Mapping):
            lines += _lines(value, f"{prefix}{name}.") or [f"{prefix}{name}"]
        else:
            lines += [f"{prefix}{name}: {line}" for line in str(value).splitlines()]
    return lines
