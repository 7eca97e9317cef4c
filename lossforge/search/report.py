"""What a search found: a table, a Markdown report, and the best loss as a spec."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from lossforge.run import write_atomically
from lossforge.search.finals import sentence
from lossforge.search.front import FRONT, draw_front
from lossforge.search.plan import Plan
from lossforge.search.study import FINALS, is_baseline, objectives_of, pareto_front, ranked

BEST, REPORT, FORMULAS = "best_loss.yaml", "report.md", "formulas.md"


def loss_text(trial: FrozenTrial) -> str:
    losses = trial.user_attrs.get("losses", {})
    return ", ".join(f"{slot}: {text}" for slot, text in losses.items()) or "(not begun)"


def score_of(study: optuna.Study) -> str:
    """The metric of the first objective."""
    return objectives_of(study)[0].metric


def scores_of(study: optuna.Study) -> str:
    """The metrics of all objectives, in the order of `shown_values`."""
    return ", ".join(objective.metric for objective in objectives_of(study))


def shown_values(trial: FrozenTrial) -> str:
    values = trial.values if trial.state == TrialState.COMPLETE else None
    return ", ".join(f"{value:.4f}" for value in values) if values else "-"


def baseline_of(study: optuna.Study) -> FrozenTrial | None:
    return next((trial for trial in ranked(study) if is_baseline(trial)), None)


def rows(study: optuna.Study, count: int = 5) -> list[tuple[str, str, str, str]]:
    """(trial, score, difference to the baseline, losses) of the best trials and the baseline."""
    best, baseline = ranked(study), baseline_of(study)
    front = pareto_front(study, best) if len(study.directions) > 1 else []
    shown = best[: max(count, len(front))]
    if baseline is not None and baseline not in shown:
        shown = [*shown, baseline]
    return [
        (
            f"{trial.number}{' (baseline)' if is_baseline(trial) else ''}"
            f"{' (front)' if trial.number in front else ''}",
            shown_values(trial),
            "" if baseline is None else f"{trial.values[0] - baseline.values[0]:+.4f}",
            loss_text(trial),
        )
        for trial in shown
    ]


def verdict(study: optuna.Study) -> str:
    """One plain sentence on what was found, and how little a single seed says."""
    best, baseline, score = ranked(study)[0], baseline_of(study), score_of(study)
    if study.user_attrs.get(FINALS):
        return f"{sentence(study.user_attrs[FINALS])} 'lossforge confirm' tells what is proven."
    if len(study.directions) > 1:
        count = len(pareto_front(study, ranked(study)))
        names = ", ".join(o.metric for o in objectives_of(study))
        return f"{count} losses are the front of {names}: none is better in one and not worse."
    if baseline is None:
        return f"Best {score} {best.value:.4f} (trial {best.number}); the baseline did not finish."
    if is_baseline(best):
        return f"No trial beat the recipe's own loss: {score} {best.value:.4f}."
    return (
        f"Best {score} {best.value:.4f} (trial {best.number}) against {baseline.value:.4f} of the "
        "recipe's own loss. One seed each: small differences are noise, and the best of many "
        "is flattered by the choice. 'lossforge confirm' tells."
    )


def python_of(trial: FrozenTrial) -> str:
    """The Python that builds the losses of a trial, and what moves them."""
    config = yaml.safe_load(trial.user_attrs["loss_config"])
    texts = trial.user_attrs["losses"]
    lines = ["import lossforge", "", "losses = {"]
    lines += [f"    {s!r}: lossforge.spec.parse({texts[s]!r})," for s in config["loss_config"]]
    lines += ["}"]
    if config.get("balance"):
        lines += [f"balance = lossforge.callbacks.Balancing({config['balance']!r})"]
    if config.get("callbacks"):
        lines += ["callbacks = ["]
        lines += [f"    lossforge.spec.parse_callback({text!r})," for text in config["callbacks"]]
        lines += ["]"]
    return "\n".join(lines)


def proven(directory: Path) -> list[str]:
    """What `lossforge confirm` said, if it ran."""
    path = directory / "confirm.json"
    return json.loads(path.read_text(encoding="utf-8"))["sentences"] if path.is_file() else []


def stopped(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were pruned or failed."""
    states = (TrialState.PRUNED, TrialState.FAIL)
    return study.get_trials(deepcopy=False, states=states)


def train_command(study: optuna.Study, directory: Path, recipe: str) -> str:
    """Trains the best loss as the search did: on its data, for its epochs, in its precision."""
    parts = ["lossforge", "train", recipe, "--loss", str(directory / BEST)]
    if "plan" in study.user_attrs:
        plan = Plan.from_text(study.user_attrs["plan"])
        for name, value in plan.settings.items():
            parts += ["--set", f"{name}={value}"]
        parts += ["--epochs", str(plan.epochs)] if plan.epochs else []
        parts += ["--precision", plan.precision]
    return shlex.join(parts)


def write(study: optuna.Study, directory: Path, recipe: str) -> None:
    """Writes best_loss.yaml and report.md, and for several scores a picture of the front."""
    best = ranked(study)[0]
    write_atomically(directory / BEST, best.user_attrs["loss_config"])
    lines = [f"# Loss search: {recipe}", "", verdict(study), ""]
    lines += [line for said in proven(directory) for line in (f"Confirmed: {said}", "")]
    lines += [f"| trial | {scores_of(study)} | to baseline | losses |", "|---|---|---|---|"]
    lines += [
        f"| {number} | {value} | {difference} | `{text}` |"
        for number, value, difference, text in rows(study, count=10)
    ]
    if len(study.directions) > 1:
        draw_front(study, directory / FRONT)
        lines += ["", f"![The front]({FRONT})"]
    lines += ["", f"The best loss is in `{BEST}`:", ""]
    lines += [f"    {train_command(study, directory, recipe)}", ""]
    python = python_of(best)
    lines += ["In Python:", "", "```python", python, "```", ""]
    if stopped(study):
        lines += ["## Trials that did not complete", "", "| trial | state | reason | losses |"]
        lines += ["|---|---|---|---|"]
        lines += [
            f"| {t.number} | {t.state.name.lower()} | {t.user_attrs.get('reason', '')} | "
            f"`{loss_text(t)}` |"
            for t in stopped(study)
        ]
    if (directory / FORMULAS).is_file():  # what `--formulas` wrote before the trials
        found = "\n" + (directory / FORMULAS).read_text(encoding="utf-8")
        lines.append(found.replace("\n#", "\n##"))
    write_atomically(directory / REPORT, "\n".join(lines) + "\n")
