"""The pictures of a report: Optuna's, and those of terms and parameters, all by plotly."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import optuna

from lossforge.search import report
from lossforge.search import study as studies

MOST = 12
"""Parameters in a picture."""


def pictures(study: optuna.Study) -> Iterator[tuple[str, str]]:
    """(title, HTML) of each picture; where there are too few trials, why it is not drawn."""
    from optuna import visualization as draw

    several = len(study.directions) > 1
    score = report.score_of(study)
    first: dict[str, Any] = {"target": lambda t: t.values[0]} if several else {}
    named = {**first, "target_name": score}
    common = common_parameters(study)
    chosen: list[tuple[str, Callable[[], Any]]] = [
        ("Optimisation history", lambda: draw.plot_optimization_history(study, **named)),
        ("Importance of parameters", lambda: draw.plot_param_importances(study, **named)),
        (
            "Parallel coordinates",
            lambda: draw.plot_parallel_coordinate(study, params=common or None, **named),
        ),
        ("Sensitivity to each parameter", lambda: _sensitivity(study, common, score)),
    ]
    if several:
        names = [o.metric for o in studies.objectives_of(study)]
        chosen.insert(0, ("Front", lambda: draw.plot_pareto_front(study, target_names=names)))
    best = studies.ranked(study)[0].user_attrs
    if best.get("terms"):
        chosen.append(("Terms of the best loss over epochs", lambda: _epochs(best["terms"])))
    if best.get("shares"):
        chosen.append(
            ("Shares of its terms over epochs", lambda: _epochs(best["shares"], stacked=True))
        )
    for title, picture in chosen:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shown = _html(picture())
        except (ValueError, RuntimeError) as error:  # too few trials for this picture
            shown = f"<p>Not drawn: {escape(str(error))}</p>"
        yield title, shown


def figure(at: Sequence[float], lines: Mapping[str, Sequence[float]], x: str, y: str) -> str:
    """Lines over one axis, as HTML."""
    import plotly.graph_objects as go

    drawn = [go.Scatter(x=at, y=values, name=name) for name, values in lines.items()]
    return _html(go.Figure(drawn, layout={"xaxis_title": x, "yaxis_title": y, "height": 350}))


def common_parameters(study: optuna.Study) -> list[str]:
    """Those that most completed trials have: pictures of conditional ones would be empty."""
    counts: dict[str, int] = {}
    for trial in studies.ranked(study):
        for name in trial.params:
            counts[name] = counts.get(name, 0) + 1
    known = [n for n, count in sorted(counts.items(), key=lambda item: -item[1]) if count > 1]
    return known[:MOST]


def curve_of(trials: Sequence[Any], name: str) -> tuple[list[Any], list[float], list[float]]:
    """(values, scores, smooth scores) of a parameter over completed trials, by its value.

    The smooth score of a number is the mean over the third of the trials nearest to it; that of a
    choice is the mean over the trials that chose it.
    """
    pairs = [(t.params[name], float(t.values[0])) for t in trials if name in t.params]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v, _ in pairs):
        pairs.sort()
        near = max(2, len(pairs) // 3)

        def smooth(value: Any) -> float:
            closest = sorted(pairs, key=lambda pair: abs(pair[0] - value))[:near]
            return sum(score for _, score in closest) / len(closest)

        values = [v for v, _ in pairs]
    else:
        pairs.sort(key=lambda pair: str(pair[0]))

        def smooth(value: Any) -> float:
            same = [score for v, score in pairs if v == value]
            return sum(same) / len(same)

        values = [str(v) for v, _ in pairs]
    return values, [score for _, score in pairs], [smooth(v) for v, _ in pairs]


def _sensitivity(study: optuna.Study, names: Sequence[str], score: str) -> Any:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    if not names:
        raise ValueError("No parameter was drawn by two completed trials.")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    drawn = make_subplots(rows, columns, shared_yaxes=True, subplot_titles=list(names))
    trials = studies.ranked(study)
    for index, name in enumerate(names):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        values, scores, smooth = curve_of(trials, name)
        drawn.add_trace(go.Scatter(x=values, y=scores, mode="markers", opacity=0.6), **place)
        mode = "lines" if values and not isinstance(values[0], str) else "markers"
        drawn.add_trace(
            go.Scatter(
                x=values, y=smooth, mode=mode, marker={"symbol": "line-ew-open", "size": 20}
            ),
            **place,
        )
    return drawn.update_layout(height=280 * rows, showlegend=False, yaxis_title=score)


def _epochs(terms: Mapping[str, Sequence[float]], stacked: bool = False) -> Any:
    import plotly.graph_objects as go

    epochs = list(range(1, 1 + max(map(len, terms.values()))))
    group = {"stackgroup": "one"} if stacked else {}
    lines = [go.Scatter(x=epochs, y=list(v), name=name, **group) for name, v in terms.items()]
    title = "share of the total" if stacked else "mean of the term"
    return go.Figure(lines, layout={"xaxis_title": "epoch", "yaxis_title": title})


def _html(drawn: Any) -> str:
    return drawn.to_html(full_html=False, include_plotlyjs=False)
