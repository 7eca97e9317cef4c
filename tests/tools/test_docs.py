"""The generated pages are what their scripts write, and name what exists."""

import importlib.util
import re
from pathlib import Path

import pytest

import lossforge
from lossforge.losses import LOSSES

ROOT = Path(__file__).parents[2]


def script(name):
    path = ROOT / "tools" / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"docs_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


coverage, losses = script("coverage"), script("losses")
ROWS = [
    pytest.param(entry, id=f"{table}: {row}")
    for table, rows in coverage.tables().items()
    for row, entry in rows.items()
]
OURS = sorted(n for n, cls in LOSSES.items() if cls.__module__.startswith("lossforge."))


@pytest.mark.parametrize("entry", ROWS)
def test_every_row_of_the_catalogue_is_here_or_left_out_for_a_reason(entry):
    assert set(entry) <= {"by", "note", "left_out"}
    if "left_out" in entry:
        assert set(entry) == {"left_out"} and len(entry["left_out"]) > 20
        return
    assert entry["by"]
    for text in entry["by"]:
        assert coverage.resolve(text) is not None


def test_every_loss_is_in_a_row_of_the_catalogue():
    texts = " ".join(t for p in ROWS for t in p.values[0].get("by", []))
    assert not set(OURS) - set(re.findall(r"\w+", texts))


def test_names_in_reasons_and_notes_exist():
    """A reason that points to a loss points to one that exists."""
    for row in ROWS:
        words = row.values[0].get("note", "") + " " + row.values[0].get("left_out", "")
        for name in re.findall(r"\b([A-Z]\w+)(?:\(|;|$)", words):
            assert name in LOSSES or hasattr(lossforge.heads, name), (row.id, name)


def test_there_are_at_least_two_hundred_losses():
    assert len(OURS) >= 200


def test_coverage_page_is_what_the_script_writes():
    written = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert written == coverage.page(), "run python tools/docs/coverage.py"


def test_tables_of_losses_are_what_the_script_writes():
    for path, text in losses.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run python tools/docs/losses.py"


def test_names_that_others_rely_on_exist():
    names = """Focal CrossEntropy Dice Tversky Lovasz SmoothL1 Huber IoU GIoU DIoU CIoU QualityFocal
        Varifocal Contrastive Triplet NTXent SupCon ArcFace CosFace SSIM MultiScaleSSIM Charbonnier
        Perceptual Style Adversarial GradientPenalty Distillation HardExamples AttentionWeighted
        Composite Formula Recipe TermModel""".split()
    assert all(hasattr(lossforge, name) for name in names)
    assert set(names) <= set(dir(lossforge))
