"""A real TensorBoard server shows what a run wrote."""

import io
import json
import urllib.request
from pathlib import Path
from urllib.parse import quote

import keras
import numpy as np
import pytest
from PIL import Image

from lossforge.cli.tensorboard import launch, log_directory
from lossforge.errors import StudyError, UsageError
from lossforge.monitor.drawing import TRUTH, confusion_matrix, draw_boxes, grid
from lossforge.training.train_run import train_run

RECIPE = str(Path(__file__).parents[1] / "training" / "interrupted_recipe.py")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train_run(RECIPE, epochs=3, runs=tmp_path_factory.mktemp("runs"), histograms=1).path


@pytest.fixture(scope="module")
def fetch(run):
    """Bytes that the server of the directory with this run answers."""
    url = launch(log_directory(run), "localhost", 0)
    return lambda path: fetched(f"{url}data/{path}")


@pytest.fixture(scope="module")
def ask(fetch):
    return lambda path: json.loads(fetch(path))


def fetched(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def test_terms_of_training_and_validation_and_the_learning_rate_are_scalars(ask):
    tags = ask("plugin/scalars/tags")
    for term in ("epoch_loss", "epoch_terms/classes", "epoch_terms/classes/focal"):
        assert term in tags["train"] and term in tags["validation"]
    assert "epoch_accuracy" in tags["validation"]
    points = ask("plugin/scalars/scalars?run=train&tag=epoch_learning_rate")
    rates = [value for _, _, value in points]
    assert len(rates) == 3 and rates[0] > rates[1] > rates[2]


def test_one_chart_holds_the_terms_of_both_splits(ask):
    (layout,) = [ask("plugin/custom_scalars/layout")]
    charts = {
        chart["title"]: chart["multiline"]["tag"]
        for category in layout["category"]
        for chart in category["chart"]
    }
    assert charts["classes"] == ["epoch_terms/classes($|/)"]
    for split in ("train", "validation"):
        found = ask(f"plugin/custom_scalars/scalars?run={split}&tag=epoch_terms%2Fclasses(%24|%2F)")
        assert found["regex_valid"] and len(found["tag_to_events"]) == 3


def test_pictures_curves_and_histograms_are_there(ask):
    images = ask("plugin/images/tags")["validation"]
    assert images["digits"]["samples"] == 1
    steps = [e["step"] for e in ask("plugin/images/images?run=validation&tag=digits&sample=0")]
    assert steps == [0, 1, 2]  # after epochs 1, 2, and the last
    curves = ask("plugin/pr_curves/pr_curves?tag=is_three/pr_curves&run=validation")["validation"]
    assert len(curves) == 3 and max(curves[-1]["precision"]) > 0.5
    assert any(name.endswith("/histogram") for name in ask("plugin/histograms/tags")["train"])


def test_points_labels_and_thumbnails_are_in_the_projector(ask, fetch):
    (run,) = ask("plugin/projector/runs")
    assert run == "validation"
    (points,) = ask(f"plugin/projector/info?run={run}")["embeddings"]
    assert points["tensorShape"] == [130, 10]
    query = f"run={run}&name={points['tensorName']}"
    tensor = np.frombuffer(fetch(f"plugin/projector/tensor?{query}"), "float32")
    np.testing.assert_allclose(tensor.reshape(130, 10).sum(axis=1), 1.0, atol=1e-4)
    labels = fetch(f"plugin/projector/metadata?{query}").decode().split()
    assert len(labels) == 130 and set(labels) == set("0123456789")
    sprite = Image.open(io.BytesIO(fetch(f"plugin/projector/sprite_image?{query}")))
    assert sprite.size == (96, 96)  # 12 x 12 thumbnails of 8 px hold 130


def test_a_directory_of_runs_shows_the_points_of_each(run):
    url = launch(log_directory(run.parent), "localhost", 0)
    runs = json.loads(fetched(f"{url}data/plugin/projector/runs"))
    assert runs == [f"{run.name}/logs/validation"]


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Scalars of a training with a Balance on gradients, a schedule, and a loss scale."""
    run = train_run(
        RECIPE, epochs=3, runs=tmp_path_factory.mktemp("moving"), precision="mixed_float16",
        balance="PCGrad()", callbacks=["Anneal('focal.gamma', linear(0.0, 2.0, 40))"],
    )  # fmt: skip
    keras.mixed_precision.set_dtype_policy("float32")
    url = launch(log_directory(run.path), "localhost", 0)
    return lambda path: json.loads(fetched(f"{url}data/{path}"))


@pytest.mark.filterwarnings("ignore:mixed_float16 on a CPU")
def test_what_moves_during_training_is_seen(moving):
    def values(tag):
        points = moving(f"plugin/scalars/scalars?run=train&tag={quote(tag, safe='')}")
        return [value for _, _, value in points]

    assert values("epoch_parameters/focal.gamma") == pytest.approx([0.95, 1.95, 2.0])
    assert all(scale > 1 for scale in values("epoch_loss_scale"))
    shares = np.array([values(f"epoch_shares/classes/{n}") for n in ("cross_entropy", "focal")])
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, atol=1e-3)
    assert min(values("epoch_weights/classes/focal")) > 0
    (cosine,) = [
        t for t in moving("plugin/scalars/tags")["train"] if "/cosine" in t or "cosines/" in t
    ]
    assert all(-1 <= value <= 1 for value in values(cosine))


@pytest.mark.filterwarnings("ignore:mixed_float16 on a CPU")
def test_the_layout_has_charts_of_what_there_is(moving, ask):
    def charts(ask):
        layout = ask("plugin/custom_scalars/layout")
        return {chart["title"] for category in layout["category"] for chart in category["chart"]}

    plain = {"total", "classes", "effective weights", "shares of the total", "learning rate"}
    assert charts(ask) == plain
    moved = {"gradient conflicts", "loss scale", "parameters of losses"}
    assert charts(moving) - {"gradient norms"} == plain | moved


def test_nothing_to_show_is_said(tmp_path):
    with pytest.raises(StudyError, match="no directory"):
        log_directory(tmp_path / "nothing")
    with pytest.raises(StudyError, match="no event files"):
        log_directory(tmp_path)


def test_a_port_that_is_taken_is_said(run):
    import socket

    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        with pytest.raises(UsageError, match="TensorBoard can't start"):
            launch(log_directory(run), "localhost", taken.getsockname()[1])


def test_a_box_is_drawn_where_it_is():
    picture = draw_boxes(np.zeros((20, 20, 3)), np.array([[4, 6, 14, 16]]), [""], [TRUTH])
    assert picture.dtype == np.uint8
    assert tuple(picture[6, 10]) == TRUTH and tuple(picture[16, 10]) == TRUTH
    assert tuple(picture[10, 4]) == TRUTH and not picture[10, 10].any()
    assert not picture[3].any() and not picture[18].any()


def test_a_grid_keeps_its_images():
    images = [np.full((2, 3, 3), shade, "uint8") for shade in (10, 20, 30)]
    whole = grid(images, columns=2, gap=1)
    assert whole[0, 0, 0] == 10 and whole[0, 4, 0] == 20 and whole[3, 0, 0] == 30
    assert whole[2, 0, 0] == 255 and whole[3, 4, 0] == 255


def test_a_confusion_matrix_is_dark_where_the_counts_are():
    labels, predicted = np.repeat([0, 1], 10), np.array([0] * 10 + [0] * 5 + [1] * 5)
    picture = confusion_matrix(labels, predicted, ["a", "b"]).astype(int)
    blue = (picture[..., 2] - picture[..., 0]) * (picture[..., 2] > picture[..., 0] + 20)
    rows, columns = np.nonzero(blue)
    middle, centre = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
    sums = [[blue[a, b].sum() for b in (slice(None, centre), slice(centre, None))]
            for a in (slice(None, middle), slice(middle, None))]  # fmt: skip
    assert sums[0][1] == min(map(min, sums)), "no `a` is taken for `b`"
    assert min(sums[0][0], *sums[1]) > 4 * sums[0][1]
