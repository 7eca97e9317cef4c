"""Measures heavy losses against their peers, side by side in one process.

python tools/bench/losses.py
python tools/bench/losses.py --only focal --only triplet --json losses.json

Time is one forward and backward pass of a compiled step: the peer and lossforge take turns in one
process, and the medians are compared. Memory is the highest resident size of a fresh process over
one step, less what was there before (Linux). A
peer that cannot be installed beside Keras 3 is replaced by its algorithm, written here from its
description (`peers.py`), and the table says so.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.metadata
import json
import multiprocessing
import os
import statistics
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
        size: of its input, in words.
        peer: name and version, or what the reference implements.
        steps: makes the compiled steps of lossforge and, where there is one, of the peer; a step
            returns (value, gradients) and has `trace()`.
        target: what is to be reached, in words.
        reached: from (time of the peer / ours, memory of the peer / ours, our memory in MB).
        agree: whether both values must be equal.
    """

    size: str
    peer: str
    steps: Callable[[], list[Any]]
    target: str
    reached: Callable[[float, float, float], bool]
    agree: bool = False


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, metavar="NAME", help="A case; may be given several times.")
@click.option("--repeats", default=5, show_default=True, help="Turns of each side.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="To write.")
def command(only: tuple[str, ...], repeats: int, path: Path | None) -> None:
    """Measure heavy losses against their peers; print ratios, and write them as JSON.

    \b
    python tools/bench/losses.py
    python tools/bench/losses.py --only focal --only triplet --json losses.json
    """
    import cases

    unknown = sorted(set(only) - set(cases.CASES))
    if unknown:
        raise click.UsageError(f"No case is called '{unknown[0]}'. There are: {list(cases.CASES)}.")
    rows = []
    for name in only or cases.CASES:
        row = measure(name, repeats)
        rows.append(row)
        click.echo(line(row))
    if path is not None:
        result = {"versions": versions(), "cases": rows}
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if not all(row["reached"] for row in rows):
        click.echo("Targets missed: " + ", ".join(r["name"] for r in rows if not r["reached"]))
        sys.exit(1)


def measure(name: str, repeats: int) -> dict[str, Any]:
    """One row of the table. Time in one process; memory of each side in a process of its own."""
    row = in_a_fork(time_of, name, repeats)
    row["megabytes"] = in_a_fork(memory_of, name, "ours")
    speed = lean = float("nan")
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
    """The case's words and the median seconds of both sides, which take turns."""
    case = case_of(name)
    row = {"name": name, "size": case.size, "peer": case.peer, "target": case.target}
    sides = case.steps()
    values = [float(np.sum(step()[0])) for step in sides]
    if case.agree and not np.isclose(*values, rtol=1e-3):
        raise RuntimeError(f"{name}: values differ, {values[0]} and the peer's {values[1]}.")
    turns = [[seconds(step) for step in sides] for _ in range(repeats)]
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    return row | dict(zip(("seconds", "peer_seconds"), medians, strict=False))


def memory_of(name: str, side: str) -> float:
    """The highest resident size over the first step of a side, less that before it, in MB."""
    import tensorflow as tf

    step = case_of(name).steps()[side == "theirs"]
    step.trace()
    tf.function(lambda x: tf.reduce_sum(tf.matmul(x, x)))(tf.ones((64, 64)))  # starts its threads
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest size so far
    before = _status("VmRSS")
    step()
    return (_status("VmHWM") - before) / 1024


def in_a_fork(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a fork of this process, which has imported TensorFlow and run nothing.

    TensorFlow keeps what it has once allocated: in one process, the second peak would hide in it.
    """
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(function, arguments)


def line(row: dict[str, Any]) -> str:
    ours = f"{row['name']:18} {row['size']:24} {1e3 * row['seconds']:9.1f} ms"
    ours += f" {row['megabytes']:7.0f} MB"
    if "times_faster" in row:
        ours += f" | {row['times_faster']:7.2f} x time {row['times_leaner']:7.2f} x memory"
    else:
        ours += " | " + " " * 31
    mark = "reached" if row["reached"] else "MISSED"
    return f"{ours} | {row['peer']} | {row['target']}: {mark}"


def seconds(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    value, _ = step()
    np.asarray(value)
    return time.perf_counter() - start


def versions() -> dict[str, str]:
    names = ("lossforge", "tensorflow", "keras", "keras-cv", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0])


if __name__ == "__main__":
    command()
