"""A study as one HTML page that opens without a network: findings, proof, pictures."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import optuna

from lossforge.run import write_atomically
from lossforge.search import report
from lossforge.search import study as studies
from lossforge.search.confirm import RAW as CONFIRMED
from lossforge.search.gate import GATE

PAGE = "report.html"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .3rem .7rem; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top } code, pre { background: #f4f4f4; padding: .1rem
.3rem } pre { padding: 1rem; overflow-x: auto } .claim { font-size: 1.2rem }
"""


def write_page(study: optuna.Study, directory: Path) -> Path:
    """Writes report.html beside the study and gives its path."""
    from plotly.offline import get_plotlyjs

    sections = [*_findings(study, directory), *_pictures(study), *_details(study)]
    body = "\n".join(f"<h2>{escape(title)}</h2>\n{content}" for title, content in sections)
    name = escape(study.user_attrs.get("recipe_name", study.study_name))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Loss search: {name}'
        f"</title><style>{STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><h1>Loss search: {name}</h1>{body}</body></html>\n"
    )
    write_atomically(directory / PAGE, page)
    return directory / PAGE


def _findings(study: optuna.Study, directory: Path) -> Iterator[tuple[str, str]]:
    proof = _json(directory / CONFIRMED)
    lines = proof["sentences"] if proof else []
    lines = lines or [f"{report.verdict(study)} Nothing is confirmed yet."]
    yield "What was found", "".join(f'<p class="claim">{escape(line)}</p>' for line in lines)
    best = studies.ranked(study)[0]
    config = best.user_attrs["loss_config"]
    losses = best.user_attrs["losses"]
    python = "import lossforge\n\nlosses = {\n" + "".join(
        f"    {slot!r}: lossforge.spec.parse({text!r}),\n" for slot, text in losses.items()
    )
    yield "The loss", f"<pre>{escape(config)}</pre><p>In Python:</p><pre>{escape(python)}}}</pre>"
    if proof:
        rows = [
            [e["contender"], e["loss"], _number(e["metrics"][proof["score"]]["mean"]),
             _interval(e["metrics"][proof["score"]])]
            for e in proof["losses"]
        ]  # fmt: skip
        yield "Proof", _table(["contender", "losses", proof["score"], "difference, 95 %"], rows)
    gate = _json(directory / GATE)
    if gate:
        yield "Headroom before the search", f"<p>{escape(gate['sentence'])}</p>"
    header = ["trial", report.scores_of(study), "to baseline", "losses"]
    yield "Best trials", _table(header, [list(row) for row in report.rows(study, 15)])


def _pictures(study: optuna.Study) -> Iterator[tuple[str, str]]:
    from optuna import visualization as draw

    several = len(study.directions) > 1
    score = report.score_of(study)
    first: dict[str, Any] = {"target": lambda t: t.values[0]} if several else {}
    named = {**first, "target_name": score}
    common = _common_parameters(study)
    pictures: list[tuple[str, Callable[[], Any]]] = [
        ("Optimisation history", lambda: draw.plot_optimization_history(study, **named)),
        ("Importance of parameters", lambda: draw.plot_param_importances(study, **named)),
        (
            "Parallel coordinates",
            lambda: draw.plot_parallel_coordinate(study, params=common or None, **named),
        ),
        ("Sensitivity", lambda: draw.plot_slice(study, params=common or None, **named)),
    ]
    if several:
        names = [o.metric for o in studies.objectives_of(study)]
        pictures.insert(0, ("Front", lambda: draw.plot_pareto_front(study, target_names=names)))
    terms = studies.ranked(study)[0].user_attrs.get("terms") or {}
    if terms:
        pictures.append(("Terms of the best loss over epochs", lambda: _terms(terms)))
    for title, picture in pictures:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shown = picture().to_html(full_html=False, include_plotlyjs=False)
        except (ValueError, RuntimeError) as error:  # too few trials for this picture
            shown = f"<p>Not drawn: {escape(str(error))}</p>"
        yield title, shown


def _common_parameters(study: optuna.Study, most: int = 12) -> list[str]:
    """Those that most completed trials have: pictures of conditional ones would be empty."""
    counts: dict[str, int] = {}
    for trial in studies.ranked(study):
        for name in trial.params:
            counts[name] = counts.get(name, 0) + 1
    known = [n for n, count in sorted(counts.items(), key=lambda item: -item[1]) if count > 1]
    return known[:most]


def _terms(terms: dict[str, list[float]]) -> Any:
    import plotly.graph_objects as go

    epochs = list(range(1, 1 + max(map(len, terms.values()))))
    lines = [go.Scatter(x=epochs, y=values, name=name) for name, values in terms.items()]
    return go.Figure(lines, layout={"xaxis_title": "epoch", "yaxis_title": "mean of the term"})


def _details(study: optuna.Study) -> Iterator[tuple[str, str]]:
    stopped = report.stopped(study)
    if stopped:
        rows = [
            [str(t.number), t.state.name.lower(), t.user_attrs.get("reason", ""),
             report.loss_text(t)]
            for t in stopped
        ]  # fmt: skip
        yield "Trials that did not complete", _table(["trial", "state", "reason", "losses"], rows)
    plan = json.loads(study.user_attrs["plan"])
    facts = [[name, str(value)] for name, value in plan.items() if value not in (None, {}, [])]
    facts += [[name, version] for name, version in study.user_attrs["versions"].items()]
    yield "Provenance", _table(["what", "value"], facts)
    yield "The recipe", f"<pre>{escape(study.user_attrs['recipe_text'])}</pre>"


def _table(header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _interval(metric: dict[str, Any]) -> str:
    if "difference" not in metric:
        return ""
    low, high = metric["interval"]
    around = "" if low is None else f" ({low:+.4f} to {high:+.4f})"
    return f"{_number(metric['difference'])}{around}"


def _number(value: float | None) -> str:
    return "failed" if value is None else f"{value:.4f}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
