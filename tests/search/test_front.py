"""A search with several scores: its table names the front, and a picture shows it."""

import optuna
import yaml
from PIL import Image

from lossforge.search import report


def test_the_front_is_marked_in_the_table_and_drawn(tmp_path):
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_user_attr("objectives", [["val_psnr", True], ["val_lpips", False]])
    for number, values in enumerate([(30.0, 0.3), (31.0, 0.4), (29.0, 0.1), (28.0, 0.2)]):
        loss = {"image": f"Charbonnier(epsilon={10.0**-number})"}
        attributes = {"losses": loss, "loss_config": yaml.safe_dump({"loss_config": loss})}
        attributes |= {"origin": "baseline"} if number == 0 else {}
        trial = optuna.trial.create_trial(values=values, user_attrs=attributes)
        study.add_trial(trial)
    found = {row[0]: row[1] for row in report.rows(study, count=1)}
    assert list(found) == ["1 (front)", "0 (baseline) (front)", "2 (front)"]
    assert found["2 (front)"] == "29.0000, 0.1000"
    assert report.verdict(study).startswith("3 losses are the front of val_psnr, val_lpips")
    report.write(study, tmp_path, "recipes/srresnet.py")
    text = (tmp_path / report.REPORT).read_text()
    assert "| trial | val_psnr, val_lpips |" in text and "![The front](front.png)" in text
    with Image.open(tmp_path / report.FRONT) as picture:
        assert picture.size[0] > 600
