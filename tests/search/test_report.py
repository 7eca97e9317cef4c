"""The report, `list studies` and `show STUDY` say what a study found, and need no network."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lossforge.cli import main as cli
from lossforge.search import report
from lossforge.search import study as studies
from lossforge.search.html_report import write_page
from lossforge.search.plan import Plan
from lossforge.search.report_pictures import curve_of

CONFIG = (
    "loss_config:\n  classes: Focal(gamma={gamma})\n"
    "balance: Uncertainty()\ncallbacks: [\"Anneal('classes.gamma', linear(2.0, 0.5, 10))\"]\n"
)


class Loads(HTMLParser):
    """What a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.found, self.titles, self.title = [], [], False

    def handle_starttag(self, tag, attributes):
        self.title = tag == "h2"
        self.found += [v for n, v in attributes if n in ("src", "href", "data", "srcset", "action")]

    def handle_data(self, data):
        if self.title:
            self.titles.append(data)
            self.title = False


def new_study(directory):
    """Twelve trials of a search: one is the baseline, one was pruned."""
    plan = Plan("recipes/digits.py", {"noise": 0.4}, str(directory), trials=12)
    study = studies.open_study(plan)
    attributes = {"plan": plan.as_text(), "recipe_name": "digits", "recipe_text": "# <the recipe>"}
    attributes |= {"objectives": [["val_accuracy", True]], "versions": {"keras": "3.15.1"}}
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    gammas = optuna.distributions.FloatDistribution(0.0, 4.0)
    kinds = optuna.distributions.CategoricalDistribution(("Focal", "CrossEntropy"))
    for number in range(12):
        gamma = number / 3
        kept = {
            "losses": {"classes": f"Focal(gamma={gamma:.4g})", "balance": "Uncertainty()"},
            "loss_config": CONFIG.format(gamma=f"{gamma:.4g}"),
            "terms": {"classes": [1.0, 0.5]},
            "shares": {"classes/focal": [0.9, 0.7], "classes/dice": [0.1, 0.3]},
        } | ({"origin": "baseline"} if number == 0 else {})
        pruned = number == 11
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=None if pruned else 0.5 + gamma / 10,
                params={"gamma": gamma, "kind": ("Focal", "CrossEntropy")[number % 2]},
                distributions={"gamma": gammas, "kind": kinds},
                user_attrs=kept | ({"reason": "the loss is nan"} if pruned else {}),
            )
        )
    return study


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "studies" / "digits-1a2b3c"


def test_the_page_has_every_section_and_loads_nothing(directory):
    study = new_study(directory)
    proof = {"sentences": ["The found loss is <better>."], "score": "test_accuracy"}
    proof["losses"] = [
        {"contender": "found", "loss": "x", "metrics": {"test_accuracy": {"mean": 0.9}}}
    ]
    (directory / "confirm.json").write_text(json.dumps(proof))
    page = write_page(study, directory).read_text()
    loads = Loads()
    loads.feed(page)
    assert loads.found == [] and "@import" not in page and not re.search(r"url\(\s*http", page)
    assert {
        "What was found", "The loss", "Proof", "Best trials", "Optimisation history",
        "Importance of parameters", "Parallel coordinates", "Sensitivity to each parameter",
        "Terms of the best loss over epochs", "Shares of its terms over epochs",
        "Loss card: classes", "Trials that did not complete", "Provenance", "The recipe",
    } <= set(loads.titles)  # fmt: skip
    assert "Not drawn" not in page and "Not measured" not in page
    assert "The found loss is &lt;better&gt;." in page and "# &lt;the recipe&gt;" in page
    assert "the loss is nan" in page and "Uncertainty()" in page
    assert "optimum p" in page and "3.15.1" in page


def test_the_python_of_a_report_builds_the_loss(directory):
    best = studies.ranked(new_study(directory))[0]
    built = {}
    exec(report.python_of(best), built)  # noqa: S102
    assert built["losses"]["classes"].gamma == pytest.approx(10 / 3, rel=1e-3)
    assert type(built["balance"]).__name__ == "Balancing" and len(built["callbacks"]) == 1


def test_the_markdown_says_what_is_proven(directory):
    study = new_study(directory)
    (directory / "confirm.json").write_text(json.dumps({"sentences": ["No better than x."]}))
    report.write(study, directory, "recipes/digits.py")
    text = (directory / "report.md").read_text()
    assert "Confirmed: No better than x." in text and "lossforge.spec.parse" in text


def test_a_parameters_curve_is_smooth_over_its_neighbours(directory):
    trials = studies.ranked(new_study(directory))
    values, scores, smooth = curve_of(trials, "gamma")
    assert values == sorted(values) and scores == pytest.approx([0.5 + v / 10 for v in values])
    assert smooth[0] == pytest.approx(sum(scores[:3]) / 3)
    _, scores, smooth = curve_of(trials, "kind")
    assert len(set(smooth)) == 2


def test_the_command_writes_page_and_markdown(directory, capsys):
    new_study(directory)
    cli.main(["report", str(directory)])
    assert capsys.readouterr().out.split() == [
        str(directory / "report.html"), str(directory / "report.md")
    ]  # fmt: skip
    assert "Loss card" in (directory / "report.html").read_text()


def test_studies_are_listed_and_shown(directory, capsys):
    new_study(directory)
    cli.main(["list", "studies", "--directory", str(directory.parent)])
    [line] = capsys.readouterr().out.splitlines()
    assert "recipes/digits.py  12/12 trials  val_accuracy 0.8333  not confirmed" in line
    cli.main(["list", "studies", "--directory", str(directory.parent), "--json"])
    [found] = json.loads(capsys.readouterr().out)
    assert found["best"]["trial"] == 10 and found["states"] == {"complete": 11, "pruned": 1}
    cli.main(["show", str(directory)])
    shown = capsys.readouterr().out
    assert "Trials: 12 of 12 (11 complete, 1 pruned)" in shown and "0 (baseline)" in shown
    with pytest.raises(SystemExit) as exit:
        cli.main(["show", str(directory.parent / "nothing")])
    assert exit.value.code == 4 and "There is no study in" in capsys.readouterr().err


def test_whoever_supervises_never_imports_tensorflow():
    modules = "run_search, join, confirm, gate, finals, summary, report, sensitivity, compare"
    script = f"from lossforge.search import {modules}\nimport sys\n"
    script += "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
