"""Dockerfile and compose files: read, linted, and their steps run as a script."""

import os
import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import click
import pytest
import yaml

from lossforge.cli.main import group

ROOT = Path(__file__).parents[1]
COMPOSE = [ROOT / "compose.yaml", ROOT / "tools" / "deploy" / "compose.yaml"]


def instructions(text):
    """(instruction, arguments) of a Dockerfile, continuation lines joined."""
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\s*\n\s*", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (x.partition(" ") for x in whole.splitlines())
    ]


@pytest.fixture(scope="module")
def steps():
    return instructions((ROOT / "Dockerfile").read_text())


def test_the_base_is_an_argument_and_has_a_version(steps):
    assert steps[0][0] == "ARG" and steps[1] == ("FROM", "${BASE}")
    name, _, default = steps[0][1].partition("=")
    assert name == "BASE" and re.search(r":\d", default), "a base without a version moves"


def test_instructions_exist_and_what_is_copied_is_there(steps):
    known = {"ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "CMD"}
    assert {word for word, _ in steps} <= known
    for word, rest in steps:
        if word == "COPY":
            *sources, target = rest.split()
            assert target and all((ROOT / source).exists() for source in sources), rest
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ".git" in ignored


def test_the_command_does_not_run_as_root_and_is_a_list(steps):
    words = [word for word, _ in steps]
    assert words[-1] == "CMD" and "USER" in words
    assert yaml.safe_load(steps[-1][1]) == ["lossforge", "--help"]
    user = dict(steps)["USER"]
    assert any(word == "RUN" and f"useradd --create-home {user}" in rest for word, rest in steps)


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["cpu", "cuda"])
def test_the_steps_run_as_a_script(steps, tmp_path, extra):
    """In an environment that sees this one's packages; users, and what CUDA needs, are left out.

    What the package needs must be among what is copied: it is installed from there alone.
    """
    image = tmp_path / "image"
    python = environment(tmp_path / "venv")
    stand_ins(tmp_path / "bin", log := tmp_path / "log.txt", python if extra == "cpu" else None)
    variables = {
        **os.environ, "PATH": f"{tmp_path / 'bin'}:{python.parent}:{os.environ['PATH']}",
        "EXTRA": extra, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # fmt: skip
    place = image
    for word, rest in steps:
        rest = re.sub(r"(?<![\w.\"/])/(?=src|data|project)", f"{image}/", rest)
        if word == "ENV":
            variables |= dict(each.split("=", 1) for each in shlex.split(rest))
        elif word == "WORKDIR":
            place = Path(rest)
            place.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = rest.split()
            target = place / target
            target.mkdir(parents=True, exist_ok=True) if target.name == "." else None
            for source in sources:
                subprocess.run(["cp", "-r", str(ROOT / source), str(target)], check=True)
        elif word == "RUN":
            run(["sh", "-euc", rest], place, variables)
    assert "useradd --create-home forge" in log.read_text()
    assert ("tensorflow[and-cuda]" in log.read_text()) == (extra == "cuda")
    if extra == "cuda":
        return
    asked = "from lossforge.recipe import find_recipe; print(find_recipe('recipes/digits.py'))"
    found = Path(run([str(python), "-c", asked], place, variables).strip())
    assert tmp_path / "venv" in found.parents, "what is installed is the copy, with its recipes"
    assert "tensorboard" in run(["lossforge", "--help"], place, variables)


def environment(directory):
    """A fresh environment with pip that also sees the packages of this one; its Python."""
    venv.create(directory, with_pip=True, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    seen = [path for path in sys.path if path.endswith("-packages")]
    site = directory / "lib" / version / "site-packages"
    (site / "seen.pth").write_text("\n".join(seen) + "\n")
    return directory / "bin" / "python"


def stand_ins(directory, log, python):
    """Programs that only write down how they are called: they would change this machine.

    With a `python`, pip is real.
    """
    directory.mkdir()
    for name in ("useradd", "chown", "pip"):
        (directory / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\n')
    if python:
        with open(directory / "pip", "a") as file:
            file.write(f'exec {python} -m pip "$@" --no-build-isolation\n')
    for program in directory.iterdir():
        program.chmod(0o755)


def run(command, place, variables):
    done = subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_a_compose_file_holds_together(file):
    content = yaml.safe_load(file.read_text())
    services, volumes = content["services"], content.get("volumes", {})
    assert "tensorboard" in services
    for name, service in services.items():
        assert ("build" in service) != ("image" in service), name
        if "build" in service:
            assert (file.parent / service["build"] / "Dockerfile").is_file(), name
        else:
            assert re.search(r":\d", service["image"]), "an image without a version moves"
        assert set(service.get("depends_on", {})) <= set(services), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source.startswith(".") or source in volumes, (name, source)


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_the_commands_of_a_compose_file_are_ours_and_take_their_options(file):
    for name, service in yaml.safe_load(file.read_text())["services"].items():
        if "command" not in service:
            continue
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", service["command"])  # defaults of variables
        program, command, *arguments = shlex.split(text)
        assert program == "lossforge", name
        found = group.get_command(click.Context(group), command)
        found.make_context(command, arguments)  # a UsageError for an option that is not there


def test_the_study_has_postgresql_a_worker_and_tensorboard():
    services = yaml.safe_load(COMPOSE[1].read_text())["services"]
    assert services["storage"]["image"].startswith("postgres:")
    for name in ("search", "worker", "tensorboard"):
        assert "postgresql+psycopg://" in services[name]["command"]
        assert services[name]["depends_on"]["storage"]["condition"] == "service_healthy"
