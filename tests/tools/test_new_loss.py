"""tools/new_loss.py: what it writes is clean, fails the kit, and passes once it is filled in."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lossforge.errors import UsageError
from lossforge.kinds import KINDS, kind_of
from lossforge.losses import LOSSES
from lossforge.testing import check, gives_one_value_per_example, matches_oracle

ROOT = Path(__file__).parents[2]


def imported(path):
    spec = importlib.util.spec_from_file_location(f"started_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = imported(ROOT / "tools" / "new_loss.py")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with one family; losses that a test registers are forgotten after it."""
    monkeypatch.setattr("lossforge.losses.base.LOSSES", LOSSES.copy())
    family = tmp_path / "lossforge" / "losses" / "regression"
    family.mkdir(parents=True)
    (family / "__init__.py").touch()
    return tmp_path


def run(root, *arguments):
    return CliRunner().invoke(tool.command, [*arguments, "--root", str(root)])


def files(root):
    return {str(p.relative_to(root)) for p in root.rglob("*.py") if p.name != "__init__.py"}


def test_writes_the_loss_and_its_oracle(root):
    done = run(root, "Quartic", "--kind", "regression", "--family", "regression")
    assert done.exit_code == 0, done.output
    assert files(root) == {
        "lossforge/losses/regression/quartic.py",
        "tests/oracles/regression/quartic.py",
    }
    assert "pytest -k Quartic" in done.output


@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_fails_the_kit_until_filled_in(root, kind):
    loss, oracle = map(imported, tool.write("Quartic", kind, "regression", root))
    with pytest.raises(NotImplementedError, match="one value for each"):
        check(loss.Quartic(), kind)
    arguments = loss.Quartic().arguments()
    with pytest.raises(NotImplementedError, match="formula"):
        oracle.quartic(*kind_of(kind).draw(np.random.default_rng(0), 2), **arguments)


def test_passes_once_filled_in(root):
    paths = tool.write("Quartic", "regression", "regression", root)
    for path in paths:
        text, _, _ = path.read_text().partition("raise ")
        path.write_text(f"{text}return (y_pred - y_true)[..., 0] ** 4\n")
    loss, oracle = map(imported, paths)
    gives_one_value_per_example(loss.Quartic(), kind_of("regression"))
    matches_oracle(loss.Quartic(), kind_of("regression"), oracle.quartic)


def test_what_it_writes_is_clean_for_every_kind(root):
    for kind in KINDS:
        tool.write("Kind" + kind.title().replace("_", ""), kind, "regression", root)
    for action in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *action, "--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run([*command, "--no-cache", str(root)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("existing", ["lossforge/losses", "tests/oracles"])
def test_refuses_a_file_that_exists_and_then_writes_nothing(root, existing):
    path = root / existing / "regression" / "quartic.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    done = run(root, "Quartic", "--kind", "regression", "--family", "regression")
    assert done.exit_code == 2 and "exists" in done.output.replace("\n", " ")
    assert path.read_text() == "mine" and len(files(root)) == 1


@pytest.mark.parametrize(
    ("name", "kind", "family", "says"),
    [
        ("Quartic", "regresion", "regression", "Did you mean 'regression'"),
        ("Quartic", "regression", "regresion", "Did you mean 'regression'"),
        ("quartic", "regression", "regression", "called like 'SmoothL1'"),
        ("../Quartic", "regression", "regression", "called like 'SmoothL1'"),
        ("None", "regression", "regression", "called like 'SmoothL1'"),
        ("QuarticLoss", "regression", "regression", "without the word Loss"),
        ("Focal", "regression", "regression", "lossforge.losses.classification.focal"),
    ],
)
def test_refuses_what_cannot_become_a_loss(root, name, kind, family, says):
    with pytest.raises(UsageError, match=says):
        tool.write(name, kind, family, root)
    assert not files(root)
