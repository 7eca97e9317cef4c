"""Writes docs/coverage.md: each row of docs/catalogue.yaml, and what lossforge has for it.

python tools/docs/coverage.py
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
import yaml

ROOT = Path(__file__).parents[2]

HEAD = """# Coverage

What the field's loss libraries and papers offer, row by row, and what lossforge has for it. Written
by `tools/docs/coverage.py` from `docs/catalogue.yaml`; a test builds every loss named here and
holds this page to what the script writes.

{rows} rows: {covered} are here, {left_out} are left out for a reason. The library has
{losses} losses.
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Write docs/coverage.md from docs/catalogue.yaml."""
    path = ROOT / "docs" / "coverage.md"
    path.write_text(page(), encoding="utf-8")
    click.echo(f"wrote {path}")


def tables() -> dict[str, dict[str, dict[str, Any]]]:
    """{table: {row: {"by": [text, ...], "note": text} or {"left_out": reason}}}."""
    raw = yaml.safe_load((ROOT / "docs" / "catalogue.yaml").read_text(encoding="utf-8"))
    return {table: {row: _entry(v) for row, v in rows.items()} for table, rows in raw.items()}


def resolve(text: str) -> Any:
    """The loss that a spec describes, or the object of a dotted name below `lossforge`."""
    import lossforge

    if "(" in text:
        return lossforge.spec.parse(text)
    parent, _, name = text.rpartition(".")
    home = importlib.import_module(f"lossforge.{parent}") if parent else lossforge
    try:
        return getattr(home, name)
    except AttributeError:
        return importlib.import_module(f"lossforge.{text}")


def page() -> str:
    from lossforge.losses import LOSSES

    parts, rows, left_out = [], 0, 0
    for table, entries in tables().items():
        lines = [f"\n## {table}\n", "| what | lossforge |", "|---|---|"]
        for row, entry in entries.items():
            rows += 1
            left_out += "left_out" in entry
            lines.append(f"| {row} | {_cell(entry)} |")
        parts.append("\n".join(lines) + "\n")
    numbers = {"rows": rows, "covered": rows - left_out, "left_out": left_out}
    losses = sum(cls.__module__.startswith("lossforge.") for cls in LOSSES.values())
    return HEAD.format(**numbers, losses=losses) + "".join(parts)


def _entry(value: Any) -> dict[str, Any]:
    entry = {"by": value} if isinstance(value, str) else dict(value)
    if "by" in entry:
        entry["by"] = [text.strip() for text in entry["by"].split(";")]
    return entry


def _cell(entry: dict[str, Any]) -> str:
    if "left_out" in entry:
        return f"left out: {entry['left_out']}"
    names = ", ".join(f"`{text}`" for text in entry["by"])
    return f"{names} ({entry['note']})" if "note" in entry else names


if __name__ == "__main__":
    command()
