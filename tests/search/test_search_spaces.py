"""Every space that ships draws losses that fit the slots of its task."""

from pathlib import Path

import optuna
import pytest

from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.recipe import Slot
from lossforge.search.space import SpaceFile, find_space

CLASSES = Slot("classes", ("multiclass",), {"task": "multiclass", "class_counts": (30, 20, 3)})
SLOTS = {
    "curves": {"classes": CLASSES},
    "detection": {
        "classification": Slot("classification", ("multilabel", "quality")),
        "box": Slot("box", ("boxes", "regression")),
    },
    "embedding": {"embedding": Slot("embedding", ("embedding",))},
    "label_noise": {"classes": CLASSES},
    "long_tail": {"classes": CLASSES},
    "super_resolution": {"image": Slot("image", ("image", "regression"))},
}


def test_every_file_is_tested():
    folder = Path(__file__).parents[2] / "search_spaces"
    assert {f.stem for f in folder.glob("*.py")} - {"__init__"} == set(SLOTS)


@pytest.mark.parametrize("name", sorted(SLOTS))
def test_every_draw_fits_and_has_a_text(name):
    space = SpaceFile(find_space(f"search_spaces/{name}.py"), SLOTS[name])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    texts = set()
    for _ in range(40):
        for slot, loss in space.suggest(study.ask()).losses.items():
            SLOTS[name][slot].fit(loss)
            texts.add(spec.text(loss))
            assert spec.text(spec.parse(spec.text(loss))) == spec.text(loss)
    assert len(texts) > 10


def test_an_unknown_space_is_answered_with_those_that_exist():
    with pytest.raises(RecipeError, match="detection, embedding, label_noise"):
        find_space("detecton")
