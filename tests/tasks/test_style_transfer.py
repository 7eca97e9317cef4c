"""One picture moves towards the style of another; targets are computed once."""

import numpy as np
import pytest

from lossforge import spec
from lossforge.errors import RecipeError
from lossforge.recipe import load_recipe
from lossforge.tasks.style_transfer import StyleTransfer, StyleTransferData
from lossforge.training.term_model import slot_value
from lossforge.training.train import train

LOSSES = {
    "content": "Perceptual(layers=['block2_conv2'])",
    "style": "0.001*Style(layers=['block1_conv2', 'block2_conv2'])",
    "smooth": "TotalVariation()",
}


def losses():
    return {slot: spec.parse(text) for slot, text in LOSSES.items()}


def test_what_is_cached_costs_what_pictures_cost():
    task = StyleTransfer(StyleTransferData("cat", "tissue", 48, 1))
    model = task.trainable(losses())
    picture = task.network(np.zeros((1, 1))) + 10.0
    cached, plain = model.readings(None, None, picture, None, True), task.read(None, picture)
    assert [v.shape for v in model.variables if len(v.shape)] == [(1, 32, 48, 3)]  # no network
    for slot, loss in model.terms.losses.items():
        expected = float(slot_value(loss, plain[slot]))
        assert expected > 0
        np.testing.assert_allclose(slot_value(loss, cached[slot]), expected, rtol=1e-4)


def test_the_picture_comes_closer_to_the_style(tmp_path):
    recipe = load_recipe("recipes/style_transfer.py", {"size": 48, "steps": 8, "epochs": 1})
    data = recipe.data(0)
    before = recipe.task(data).evaluate(None)
    outcome = train(recipe, losses(), data=data)
    assert outcome.metrics["val_style_distance"] < 0.7 * before["style_distance"]
    assert before["content_distance"] < 1e-6 < outcome.metrics["val_content_distance"]
    assert outcome.task.predict()["image"].shape == data.content.shape == (1, 32, 48, 3)
    assert outcome.task.pictures(None)["stylised"].shape[1] > 3 * 48


@pytest.mark.parametrize("slot", ["content", "style"])
@pytest.mark.parametrize("text", ["SSIM()", "Style() + Perceptual()"])
def test_losses_that_look_through_no_network_are_named(slot, text):
    task = StyleTransfer(StyleTransferData("cat", "tissue", 48, 1))
    with pytest.raises(RecipeError, match=f"Slot '{slot}' of style transfer"):
        task.trainable({**losses(), slot: spec.parse(text)})


def test_pictures_are_named_or_files(tmp_path):
    with pytest.raises(RecipeError, match="Did you mean 'coffee'"):
        StyleTransferData("cofee", "cat", 48, 1)
    (tmp_path / "x.jpg").write_text("no image")
    with pytest.raises(RecipeError, match="can't be read"):
        StyleTransferData(str(tmp_path / "x.jpg"), "cat", 48, 1)
