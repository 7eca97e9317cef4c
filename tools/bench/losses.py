"""Measures heavy losses against their peers, side by side in one process.

python tools/bench/losses.py
python tools/bench/losses.py --only segmentation --only triplet --json losses.json
python tools/bench/losses.py --markdown docs/benchmarks.md

Time is one forward and backward pass of a compiled step: the peer and lossforge take turns in one
process, and the shortest times are compared, since other work on the machine only adds. Memory is
what TensorFlow's own allocator counts at the most during a step, less what was there before. A
peer that cannot be installed beside Keras 3 is replaced by its algorithm, written here from its
description (`peers.py`), and the table says so.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison.

    Args:
        group: the family that it belongs to.
        size: of its input, in words.
        peer: name and version, or what the reference implements.
        steps: makes the compiled steps of lossforge and, where there is one, of the peer; a step
            returns (value, gradients) and has `trace()`.
        target: what is to be reached, in words.
        reached: from (time of the peer / ours, memory of the peer / ours, our memory in MB).
        agree: whether both values must be equal.
    """

    group: str
    size: str
    peer: str
    steps: Callable[[], list[Any]]
    target: str
    reached: Callable[[float, float, float], bool]
    agree: bool = False


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, metavar="NAME", help="A case or a group; may be repeated.")
@click.option("--repeats", default=3, show_default=True, help="Turns of each side.")
@click.option("--time-only", is_flag=True, help="Leave out memory, and cases without a peer.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="File.")
def command(
    only: tuple[str, ...],
    repeats: int,
    time_only: bool,
    json_path: Path | None,
    markdown: Path | None,
) -> None:
    """Measure heavy losses against their peers; print ratios, and write them to files.

    \b
    python tools/bench/losses.py
    python tools/bench/losses.py --only segmentation --only triplet --json losses.json
    python tools/bench/losses.py --markdown docs/benchmarks.md

    A JSON file that exists is brought up to date: cases that are not measured now stay in it, and
    in the page. The exit status is 1 where a target is missed.
    """
    names = chosen(only)
    rows = earlier(json_path)
    for name in names:
        row = measure(name, repeats, time_only)
        if time_only and "peer_seconds" not in row:
            continue
        rows[name] = row
        click.echo(line(rows[name]))
        write(rows, json_path, markdown)  # after each case: what is measured is kept
    missed = [name for name in names if name in rows and not rows[name]["reached"]]
    if missed:
        click.echo("Targets missed: " + ", ".join(missed))
        sys.exit(1)


def earlier(path: Path | None) -> dict[str, dict[str, Any]]:
    """Rows by name that a JSON file has of the versions that are installed now."""
    if path is None or not path.exists():
        return {}
    result = json.loads(path.read_text(encoding="utf-8"))
    return {r["name"]: r for r in result["cases"]} if result["versions"] == versions() else {}


def write(rows: dict[str, dict[str, Any]], path: Path | None, markdown: Path | None) -> None:
    from cases import CASES

    ordered = [rows[name] for name in CASES if name in rows]
    if path is not None:
        result = {"versions": versions(), "cases": ordered}
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if markdown is not None:
        markdown.write_text(page(ordered), encoding="utf-8")


def chosen(only: tuple[str, ...]) -> list[str]:
    """Names of the cases that are asked for: all, or single ones and whole groups."""
    from cases import CASES

    groups = sorted({case.group for case in CASES.values()})
    for name in only:
        if name not in CASES and name not in groups:
            raise click.UsageError(
                f"No case or group is called '{name}'. Groups: {', '.join(groups)}. "
                f"Cases: {', '.join(CASES)}."
            )
    return [n for n, case in CASES.items() if not only or n in only or case.group in only]


def measure(name: str, repeats: int, time_only: bool = False) -> dict[str, Any]:
    """One row of the table. Time in one process; memory of each side in a process of its own."""
    row = in_a_fork(time_of, name, repeats)
    speed = lean = float("nan")
    if time_only:
        if "peer_seconds" in row:
            row["times_faster"] = speed = row["peer_seconds"] / row["seconds"]
        row["reached"] = bool(case_of(name).reached(speed, float("inf"), 0.0))
        return row
    row["megabytes"] = in_a_fork(memory_of, name, "ours")
    if "peer_seconds" in row:
        row["peer_megabytes"] = in_a_fork(memory_of, name, "theirs")
        row["times_faster"] = speed = row["peer_seconds"] / row["seconds"]
        row["times_leaner"] = lean = row["peer_megabytes"] / max(row["megabytes"], 0.1)
    row["reached"] = bool(case_of(name).reached(speed, lean, row["megabytes"]))
    return row


def case_of(name: str) -> Case:
    import cases

    return cases.CASES[name]


def time_of(name: str, repeats: int) -> dict[str, Any]:
    """The case's words and the least seconds of both sides, which take turns."""
    case = case_of(name)
    words = {f: getattr(case, f) for f in ("group", "size", "peer", "target")}
    row: dict[str, Any] = {"name": name, **words}
    sides = case.steps()
    values = [float(np.sum(step()[0])) for step in sides]
    if case.agree and not np.isclose(*values, rtol=1e-3):
        raise RuntimeError(f"{name}: values differ, {values[0]} and the peer's {values[1]}.")
    turns = [[seconds(step) for step in sides] for _ in range(repeats)]
    least = [min(times) for times in zip(*turns, strict=True)]
    return row | dict(zip(("seconds", "peer_seconds"), least, strict=False))


def memory_of(name: str, side: str) -> float:
    """What TensorFlow has allocated at most during a step of a side, less that before it, in MB.

    Its allocator for GPUs, which counts, serves the CPU as well; it must be asked for before the
    first tensor.
    """
    os.environ |= {"TF_CPU_ALLOCATOR_USE_BFC": "true", "TF_CPU_BFC_MEM_LIMIT_IN_MB": "65536"}
    import tensorflow as tf

    step = case_of(name).steps()[side == "theirs"]
    step()
    tf.config.experimental.reset_memory_stats("CPU:0")
    before = tf.config.experimental.get_memory_info("CPU:0")["current"]
    step()
    return (tf.config.experimental.get_memory_info("CPU:0")["peak"] - before) / 2**20


def in_a_fork(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a fork of this process, which has imported TensorFlow and run nothing."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(function, arguments)


def line(row: dict[str, Any]) -> str:
    ours = f"{row['name']:18} {row['size']:26} {1e3 * row['seconds']:9.1f} ms"
    if "megabytes" in row:
        ours += f" {row['megabytes']:7.0f} MB"
    if "times_leaner" in row:
        ours += f" | {row['times_faster']:7.2f} x time {row['times_leaner']:7.2f} x memory"
    elif "times_faster" in row:
        ours += f" | {row['times_faster']:7.2f} x time"
    else:
        ours += " | " + " " * 31
    mark = "reached" if row["reached"] else "MISSED"
    return f"{ours} | {row['peer']} | {row['target']}: {mark}"


def page(rows: list[dict[str, Any]]) -> str:
    """docs/benchmarks.md."""
    table = [
        "| case | input | peer | ms | MB | time | memory | target | |",
        "|---|---|---|--:|--:|--:|--:|---|---|",
    ]
    for row in rows:
        ratios = [f"{row[r]:.2f}" if r in row else "" for r in ("times_faster", "times_leaner")]
        megabytes = f"{row['megabytes']:.0f}" if "megabytes" in row else ""
        numbers = f"{1e3 * row['seconds']:.1f}", megabytes, *ratios
        mark = "reached" if row["reached"] else "**missed**"
        cells = row["name"], row["size"], row["peer"], *numbers, row["target"], mark
        table.append("| " + " | ".join(cells) + " |")
    reached = sum(row["reached"] for row in rows)
    packages = ", ".join(f"{name} {version}" for name, version in versions().items())
    return PAGE.format(
        table="\n".join(table),
        reached=reached,
        cases=len(rows),
        packages=packages,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    )


PAGE = """# What heavy losses cost

Written by `python tools/bench/losses.py --markdown docs/benchmarks.md`, which takes a few minutes.

Time is one forward and backward pass of a compiled TensorFlow step, memory what such a step takes
beyond its inputs. Both are ratios to a peer that ran in turns with lossforge in the same process:
2.00 is half the peer's time, or half its memory; a row without memory was measured for time only
(`--time-only`), and its target is judged by that. The milliseconds are those of one machine
({machine}); other work on it moves the ratios. A peer that does not run
beside Keras 3 is replaced by its algorithm, written from its description in `tools/bench/peers.py`;
its row says so. Why targets are missed stands in [decisions.md](decisions.md).

{packages}. {reached} of {cases} targets are reached.

{table}
"""


def seconds(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    value, _ = step()
    np.asarray(value)
    return time.perf_counter() - start


def versions() -> dict[str, str]:
    names = ("lossforge", "tensorflow", "keras", "keras-cv", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


if __name__ == "__main__":
    command()
