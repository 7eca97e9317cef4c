"""The files for containers, clusters and queues start commands that exist."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from lossforge.cli.main import group

DEPLOY = Path(__file__).parents[2] / "tools" / "deploy"


def check(words):
    """A `lossforge ...` line is one that the command line takes."""
    assert words[0] == "lossforge"
    command = group.get_command(None, words[1])
    return command.make_context(words[1], list(words[2:])).params


def default_of(text):
    """${NAME:-default} as its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_compose_begins_a_study_and_workers_join_it():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    search = check(shlex.split(default_of(services["search"]["command"])))
    worker = check(shlex.split(default_of(services["worker"]["command"])))
    assert search["storage"] == worker["storage"] and "@storage/" in worker["storage"]
    assert search["directory"] == worker["study"] and search["trials"] == 50
    assert search["anyway"]  # else workers would wait for a study that never begins
    assert services["worker"]["restart"] == "on-failure"


def test_kubernetes_begins_with_pod_0(tmp_path):
    job = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    [pod] = job["spec"]["template"]["spec"]["containers"]
    for index, name in (("0", "search"), ("3", "worker")):
        said = run(tmp_path, [*pod["command"], *pod["args"]], JOB_COMPLETION_INDEX=index,
                   STORAGE="postgresql+psycopg://u@h/l")  # fmt: skip
        words = shlex.split(said.stdout)
        assert words[1] == name and check(words)["storage"] == "postgresql+psycopg://u@h/l"


@pytest.mark.parametrize(("task", "name"), [("0", "search"), ("5", "worker")])
def test_slurm_begins_with_task_0(tmp_path, task, name):
    script = [str(DEPLOY / "slurm.sh"), "recipes/digits.py", "studies/mine"]
    said = run(tmp_path, ["bash", *script], SLURM_ARRAY_TASK_ID=task)
    words = shlex.split(said.stdout)
    assert said.returncode == 0 and words[1] == name
    given = check(words)
    assert given["storage"] is None
    assert "studies/mine" in (given.get("directory"), given.get("study"))


def test_slurm_tasks_wait_until_the_study_has_begun(tmp_path):
    again = "test -e begun && exit 0; touch begun; exit 4"  # no study at first
    script = ["bash", str(DEPLOY / "slurm.sh"), "recipes/digits.py"]
    said = run(tmp_path, script, then=again, SLURM_ARRAY_TASK_ID="1")
    assert said.returncode == 0 and said.stdout.count("lossforge worker") == 2


def run(directory, command, then="exit 0", **environment):
    """Runs a script where `lossforge` only says how it was called, and `sleep` does not."""
    for name, text in (("lossforge", f'echo lossforge "$@"; {then}'), ("sleep", "true")):
        path = directory / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    environment |= {"PATH": f"{directory}:{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=30
    )
