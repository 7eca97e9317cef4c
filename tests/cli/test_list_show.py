"""`lossforge list` and `lossforge show`: every loss, its tensors, and text that can be parsed."""

import json
import subprocess
import sys

import pytest

from lossforge import spec
from lossforge.cli import main as cli
from lossforge.cli.show import example
from lossforge.kinds import KINDS
from lossforge.losses import LOSSES


def out(capsys, *arguments):
    cli.main(list(arguments))
    return capsys.readouterr().out


def mistake(capsys, *arguments):
    with pytest.raises(SystemExit) as exit:
        cli.main(list(arguments))
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1 and "Traceback" not in error
    return exit.value.code, error


def test_list_has_one_line_for_each_loss(capsys):
    lines = out(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines] == sorted(LOSSES)
    (focal,) = (line for line in lines if line.startswith("Focal "))
    assert focal.split()[1] == "multiclass,binary,multilabel"
    assert focal.endswith(LOSSES["Focal"].__doc__.splitlines()[0])


def test_list_of_a_kind_has_the_losses_that_read_it_and_no_others(capsys):
    names = [line.split()[0] for line in out(capsys, "list", "--kind", "boxes").splitlines()]
    assert {"IoU", "GIoU"} <= set(names) and not {"Focal", "HardExamples"} & set(names)
    assert names == sorted(n for n in LOSSES if repr("boxes") in str(LOSSES[n].kinds))


def test_list_as_json_says_the_same(capsys):
    rows = {row["name"]: row for row in json.loads(out(capsys, "list", "--json"))}
    assert sorted(rows) == sorted(LOSSES)
    assert rows["Focal"]["kinds"] == list(LOSSES["Focal"].kinds)
    assert rows["Focal"]["source"] == LOSSES["Focal"].source
    assert rows["HardExamples"]["kinds"] == []
    boxes = json.loads(out(capsys, "list", "--kind", "boxes", "--json"))
    assert boxes and all("boxes" in row["kinds"] for row in boxes)


def test_an_unknown_kind_is_a_usage_error_with_the_nearest_one(capsys):
    code, error = mistake(capsys, "list", "--kind", "multiclas")
    assert code == 2
    assert "No kind is called 'multiclas'. Did you mean 'multiclass'?" in error


def test_show_has_docstring_kinds_ranges_source_and_text(capsys):
    shown = out(capsys, "show", "Focal")
    assert "-sum_c alpha_c y_c (1 - p_c)^gamma log p_c" in shown
    for kind in LOSSES["Focal"].kinds:
        assert KINDS[kind].reads in shown
    assert "  gamma  0 to 4\n" in shown
    assert "  alpha  None or 0.25 or 0.5 or 0.75\n" in shown
    assert f"Source: {LOSSES['Focal'].source}\n" in shown
    text = shown.rpartition("Text: ")[2].strip()
    assert "gamma=" in text and type(spec.parse(text)).__name__ == "Focal"


def test_show_says_where_there_is_nothing_to_search(capsys):
    assert "Search: none\n" in out(capsys, "show", "GIoU")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HardExamples", "HardExamples(Focal())"),
        ("Pooled", "Pooled(Dice())"),
        ("Composite", "Focal() + 0.5*Dice()"),
        ("Mined", "none; build it in Python"),
    ],
)
def test_a_loss_over_losses_is_shown_with_one_that_it_takes(capsys, name, text):
    shown = out(capsys, "show", name)
    assert f"Text: {text}\n" in shown and "what the losses inside read" in shown


def test_show_of_an_unknown_loss_suggests_one(capsys):
    code, error = mistake(capsys, "show", "Focl")
    assert code == 3 and "No loss is called 'Focl'. Did you mean 'Focal'?" in error


@pytest.mark.parametrize("name", sorted(n for n, cls in LOSSES.items() if not cls.wraps))
def test_the_text_of_each_loss_is_read_back(name):
    text = example(LOSSES[name])
    assert spec.text(spec.parse(text)) == text and text.startswith(f"{name}(")


def test_every_loss_can_be_shown(capsys):
    for name in LOSSES:
        assert out(capsys, "show", name).startswith(f"{name}\n")


@pytest.mark.parametrize("name", ["list", "show"])
def test_help_has_examples_and_imports_no_tensorflow(name):
    script = (
        "import sys; from lossforge.cli.main import main\n"
        f"try: main(['{name}', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'optuna'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"\n  lossforge {name} " in done.stdout
