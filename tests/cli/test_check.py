"""lossforge check names what is wrong with a broken loss, and nothing about a correct one."""

from pathlib import Path

import pytest

from lossforge.cli import main as cli

FILE = str(Path(__file__).parent / "broken_losses.py")


def check(capsys, *arguments):
    code = 0
    try:
        cli.main(["check", *arguments])
    except SystemExit as exit:
        code = exit.code
    return code, capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wrong_sign", "multiclass"),
        ("scalar_too_early", "regression"),
        ("nan_at_extremes", "multiclass"),
        ("nan_gradient", "regression"),
        ("gradient_disagrees", "regression"),
        ("no_gradient", "regression"),
        ("label_cast", "multiclass"),
        ("float16_overflow", "regression"),
        ("does_not_compile", "regression"),
        ("depends_on_the_batch", "regression"),
        ("hides_nan", "regression"),
        ("not_least_at_the_target", "regression"),
    ],
)
def test_a_broken_loss_is_told_what_is_wrong(capsys, name, kind):
    code, said = check(capsys, f"{FILE}:{name}", "--kind", kind)
    failed = [line.split(":")[0].split(maxsplit=1)[1] for line in said.out.splitlines()[1:]]
    assert failed == [name.replace("_", " ").replace("nan", "NaN")], said.out
    assert code == 3 and "fails 1 of the checks" in said.err


def test_an_unusual_magnitude_is_a_note_with_a_weight(capsys):
    code, said = check(capsys, f"{FILE}:magnitude", "--kind", "regression")
    assert code == 0 and "note  magnitude" in said.out and "weight of about" in said.out


@pytest.mark.parametrize("name", ["correct", "FromKeras", "Own"])
def test_a_correct_loss_passes(capsys, name):
    code, said = check(
        capsys, f"{FILE}:{name}", *(["--kind", "regression"] if name != "Own" else [])
    )
    assert code == 0 and "everything that is promised of a loss holds" in said.out, said.out


def test_missing_documentation_is_a_note(capsys):
    code, said = check(capsys, f"{FILE}:Undocumented")
    assert code == 0 and "note  documentation" in said.out and "FAIL" not in said.out


def test_a_loss_that_is_right_in_float32_alone_passes_with_a_note(capsys):
    code, said = check(capsys, f"{FILE}:InFloat32")
    assert code == 0 and "note  float32 alone" in said.out and "FAIL" not in said.out, said.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nothing.py"], 3, "no file 'nothing.py'"),
        ([FILE], 3, "Say which one"),
        ([f"{FILE}:corect"], 3, "Did you mean 'correct'"),
        ([f"{FILE}:correct"], 2, "Give --kind"),
        ([f"{FILE}:correct", "--kind", "regresion"], 2, "Did you mean 'regression'"),
    ],
)
def test_a_mistake_is_one_line(capsys, arguments, code, says):
    actual, said = check(capsys, *arguments)
    assert actual == code and says in said.err and len(said.err.strip().splitlines()) == 1
