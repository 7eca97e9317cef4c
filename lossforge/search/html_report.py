"""A study as one HTML page that opens without a network: findings, proof, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import optuna

from lossforge.run import write_atomically
from lossforge.search import report
from lossforge.search import study as studies
from lossforge.search.confirm import RAW as CONFIRMED
from lossforge.search.gate import GATE
from lossforge.search.report_pictures import figure, pictures

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

    sections = [
        *_findings(study, directory),
        *pictures(study),
        *_cards(studies.ranked(study)[0]),
        *_details(study),
    ]
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
    python = escape(report.python_of(best))
    yield "The loss", f"<pre>{escape(config)}</pre><p>In Python:</p><pre>{python}</pre>"
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
    if study.user_attrs.get(studies.FINALS):
        yield "Finals", _finals(study.user_attrs[studies.FINALS])
    header = ["trial", report.scores_of(study), "to baseline", "losses"]
    yield "Best trials", _table(header, [list(row) for row in report.rows(study, 15)])


def _finals(data: dict[str, Any]) -> str:
    rows = [
        [
            f"{e['trial']}{' (baseline)' if e['own'] else ''}",
            _number(e["mean"]),
            ", ".join(map(_number, e["values"])) + (" (fell behind)" if e["out"] else ""),
        ]
        for e in data["contenders"]
    ]
    return _table(["trial", f"mean {data['score']}", f"seeds {data['seeds']}"], rows)


def _cards(best: optuna.trial.FrozenTrial) -> Iterator[tuple[str, str]]:
    """What each slot's loss rewards, and how it pulls, measured on the loss itself."""
    from lossforge import spec
    from lossforge.loss_card import card

    for slot, loss in spec.load(best.user_attrs["loss_config"]).items():
        title = f"Loss card: {slot}"
        try:
            found = card(loss)
        except ValueError as error:  # some read what can't be drawn without the recipe
            yield title, f"<p>Not measured: {escape(str(error))}</p>"
            continue
        facts = [line.split("  ", 1) for line in found.text().splitlines()[2:]]
        drawn = figure(found.curve["at"], {n: found.curve[n] for n in ("value", "gradient")},
                       found.across, "")  # fmt: skip
        yield title, _table(["what", "measured"], facts) + drawn


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
