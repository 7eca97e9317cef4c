"""lossforge init writes a project that trains, with a loss that passes the check."""

import shlex
import subprocess
import sys

import pytest

from lossforge.cli import main as cli

LITTLE = ["--set", "train_examples=16", "--epochs", "1"]


def run(arguments, place):
    command = [sys.executable, "-m", "lossforge", *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_every_command_that_it_names_works(tmp_path):
    """Those that train do so on little data; a search is left to its own tests."""
    said = run(["init", "my_project"], tmp_path)
    commands = [shlex.split(line)[1:] for line in said.splitlines() if "    lossforge " in line]
    assert [command[0] for command in commands] == ["train", "search", "check", "train"]
    (check,) = [command for command in commands if command[0] == "check"]
    assert "everything that is promised of a loss holds" in run(check, tmp_path)
    own = next(command for command in commands if "--loss" in command)
    assert "box: MyLoss(too_low=3.0)" in run([*own, *LITTLE], tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    run(["export", str(path)], tmp_path)  # the run's copy of the recipe finds my_loss.py too
    assert (path / "export" / "saved_model.pb").is_file()


def test_files_that_are_there_are_kept(capsys, tmp_path):
    cli.main(["init", str(tmp_path / "new"), "--recipe", "digits"])
    mine = tmp_path / "new" / "my_loss.py"
    mine.write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["init", str(tmp_path / "new"), "--recipe", "digits"])
    assert stopped.value.code == 4 and "my_loss.py" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    cli.main(["init", str(tmp_path / "new"), "--recipe", "digits", "--force"])
    assert "class MyLoss(Loss)" in mine.read_text()


def test_a_recipe_that_does_not_exist_is_named(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["init", str(tmp_path), "--recipe", "nothing"])
    assert stopped.value.code == 3 and "recipes/retinanet.py" in capsys.readouterr().err
