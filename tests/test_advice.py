"""What lossforge advise recommends, and why."""

import inspect
import runpy

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lossforge import advice, spec
from lossforge.cli import main as cli
from lossforge.recipe import load_recipe
from lossforge.training.train import fit_slots


def test_of_995_good_parts_in_a_thousand_the_rare_ones_are_not_lost():
    found = advice.on_classes([9950, 50])
    texts = [each.loss for each in found]
    assert texts[0] == "LogitAdjusted(class_counts=(9950, 50), tau=1.0)"
    assert texts[1].startswith("ClassBalanced(") and texts[2] == "Focal(gamma=2.0)"
    told = " ".join(each.reason for each in found)
    assert "99.5%" in told and "Do not judge by accuracy" in told
    assert "-5.30" in told  # log(0.005)
    beta = spec.parse(texts[1]).beta
    assert beta == pytest.approx(1 - 1 / 9950, rel=1e-5)


def test_every_recommended_loss_can_be_built():
    noisy = advice.on_classes([500, 500], noise=0.4)
    boxes = advice.on_boxes([10, 200], np.full(50, 40.0), 3.0, 96)
    tiny = advice.on_boxes([100, 90], np.full(50, 8.0), 3.0, 96)
    many = advice.on_identities([5] * 2000)
    lone = advice.on_identities([1] * 30)
    images = advice.on_images(np.full((2, 32, 32, 3), 90.0))
    assert noisy[0].loss.startswith("GeneralisedCrossEntropy") and "40%" in noisy[0].reason
    assert [a.loss for a in boxes][:2] == ["Focal(gamma=2.0, alpha=0.25)", "CIoU()"]
    assert tiny[1].loss == "NWD()" and "100%" in tiny[1].reason
    assert many[0].loss.startswith("ArcFace") and lone[0].loss.startswith("NTXent")
    for each in (*noisy, *boxes, *tiny, *many, *lone, *images, *advice.on_classes([900, 3])):
        if each.loss:
            assert spec.parse(each.loss) is not None and each.reason


def test_noise_of_images_and_labels_is_seen_in_real_digits():
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    assert advice.label_noise(x, y) < 0.05
    wrong = np.where(rng.random(len(y)) < 0.3, rng.integers(0, 10, len(y)), y)
    assert 0.2 < advice.label_noise(x, wrong) < 0.4  # 27 % are wrong
    image = rng.normal(100, 8, (64, 64, 3))  # the mean of three channels has less
    assert advice.noise_of(image) == pytest.approx(8 / np.sqrt(3), rel=0.1)


def test_a_folder_of_classes_is_counted_and_the_first_choice_is_written(capsys, tmp_path):
    for name, count in (("good", 199), ("bad", 1)):
        (tmp_path / "parts" / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "parts" / name / f"{number}.png").touch()
    output = tmp_path / "loss.yaml"
    cli.main(["advise", str(tmp_path / "parts"), "--output", str(output)])
    said = capsys.readouterr().out
    assert "bad: 1, good: 199" in said and "Menon et al. 2021" in said
    assert spec.load(output)["classes"].class_counts is not None


LITTLE = {"train_examples": 32, "train_patches": 16, "steps_per_epoch": 4}
ADVISED = {
    "digits": ["classes"],
    "digits --set tail=30": ["classes"],
    "digits --set noise=0.4": ["classes"],
    "multi_task": ["digit"],
    "retinanet": ["classification", "box"],
    "arcface": ["embedding"],
    "triplet": ["embedding"],
    "simclr": ["views"],
    "clip_pairs": ["views"],
    "srresnet": ["image"],
    "deblur": ["image", "edges"],
    "srgan": ["image", "perceptual", "critic"],
}


def little(path):
    known = inspect.signature(runpy.run_path(path)["recipe"]).parameters
    return {name: value for name, value in LITTLE.items() if name in known}


@pytest.mark.slow
@pytest.mark.parametrize("text", ADVISED)
def test_every_recipe_is_advised_with_losses_that_fit_its_slots(capsys, tmp_path, text):
    name, *more = text.split()
    path, output = f"recipes/{name}.py", tmp_path / "loss.yaml"
    flags = [part for n, v in little(path).items() for part in ("--set", f"{n}={v}")]
    cli.main(["advise", path, *more, *flags, "--output", str(output)])
    said = capsys.readouterr().out
    losses = spec.load(output)
    assert list(losses) == ADVISED[text]
    recipe = load_recipe(path, little(path))
    fit_slots(recipe, recipe.task(recipe.data(0)).slots, losses)  # raises where one does not
    if "tail" in text:
        assert "LogitAdjusted" in said and "Menon et al. 2021" in said
    if "noise" in text:
        assert "GeneralisedCrossEntropy" in said and "Zhang and Sabuncu 2018" in said


@pytest.mark.slow
def test_a_task_that_learns_from_no_data_is_told_so(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["advise", "recipes/style_transfer.py", "--set", "size=32"])
    assert stopped.value.code == 3 and "There is no advice" in capsys.readouterr().err


def test_a_folder_without_classes_is_one_line(capsys, tmp_path):
    with pytest.raises(SystemExit) as exit:
        cli.main(["advise", str(tmp_path)])
    assert exit.value.code == 3 and "one sub-folder a class" in capsys.readouterr().err
