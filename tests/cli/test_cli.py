"""The command line: help without TensorFlow, one line and an exit code for each mistake."""

import subprocess
import sys
from pathlib import Path

import pytest

from lossforge.cli import main as cli

DIGITS = str(Path(__file__).parents[1] / "search" / "digits_recipe.py")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit:
        cli.main(list(arguments))
    return exit.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["train", "nothing.py"], 3, "no recipe file 'nothing.py'"),
        (["search", "nothing.py"], 3, "no recipe file 'nothing.py'"),
        (["search", DIGITS, "--trials", "0"], 2, "--trials must be at least 1, got 0"),
        (["search", DIGITS, "--score", "val_loss"], 2, "must be a task metric"),
        (
            ["search", DIGITS, "--finals", "3", "--score", "val_a,val_b"],
            2,
            "--finals chooses by one score",
        ),
        (["search", DIGITS, "--set", "candidates"], 2, "--set takes name=value"),
        (["search", DIGITS, "--storage", "sqlite:////no/such/x.db"], 4, "Can't open the storage"),
        (["search", DIGITS, "--nothing"], 2, "No such option"),
        (["train", DIGITS, "--set", "candidate=3"], 2, "Did you mean 'candidates'"),
        (
            ["train", DIGITS, "--loss", "Focl()"],
            3,
            "No loss is called 'Focl'. Did you mean 'Focal'",
        ),
        (["train", DIGITS, "--loss", "-1.0*Focal()"], 3, "weight"),
        (["train", DIGITS, "--loss", "Focal() * 1e999"], 3, "finite number"),
        (["train", DIGITS, "--loss", "box=GIoU()"], 3, "slot"),
        (["train", DIGITS, "--loss", "no.yaml"], 3, "no.yaml"),
        (["export", "nothing"], 4, "no run directory 'nothing'"),
        (["serch"], 2, "Did you mean 'search'"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    capsys, tmp_path, monkeypatch, arguments, code, says
):
    monkeypatch.chdir(tmp_path)
    actual, error = run(capsys, *arguments)
    assert says in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
    assert actual == code


def test_export_of_a_run_that_did_not_finish_is_refused(capsys, tmp_path):
    (tmp_path / "setup.json").write_text("{}")
    code, error = run(capsys, "export", str(tmp_path))
    assert code == 4 and "did not finish" in error


@pytest.mark.parametrize("command", [["--help"], ["search", "--help"], ["train", "-h"]])
def test_help_imports_no_tensorflow(command):
    script = (
        "import sys; from lossforge.cli.main import main\n"
        f"try: main({command!r})\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'optuna'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "lossforge search recipes/retinanet.py" in done.stdout or command == ["train", "-h"]


def test_a_run_is_trained_with_a_found_loss(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "best.yaml"
    spec.write_text("loss_config:\n  classes: 0.5*Focal(gamma=1.0) + CrossEntropy()\n")
    cli.main(["train", DIGITS, "--loss", str(spec), "--epochs", "2", "--runs", "all"])
    (path,) = (tmp_path / "all").iterdir()
    names = {p.name for p in path.iterdir()}
    assert {"recipe.py", "setup.json", "loss.yaml", "summary.json", "history.csv"} <= names
    assert list(path.glob("logs/*/events.out.tfevents.*"))
    assert "terms/classes/focal" in (path / "history.csv").read_text()
    assert "val_accuracy" in (path / "summary.json").read_text()
