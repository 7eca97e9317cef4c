"""`lossforge search --formulas`: from a recipe to a space of formulas, with a report beside it."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossforge.expression import Tree
from lossforge.run import write_atomically
from lossforge.search.report import FORMULAS as REPORT

if TYPE_CHECKING:
    from lossforge.search.symbolic.proposers import Trained

CANDIDATES = "formulas.json"
METHODS = ("evolution", "random", "named")
KEPT = 6
TRAININGS = 600


def find_formulas(
    recipe: str, settings: Mapping[str, Any], seed: int, minutes: float, directory: str
) -> tuple[dict[str, list[str]], list[str]]:
    """Searches formulas on a small copy of the recipe's problem, in a process of its own.

    Returns:
        The best ones as candidates of a slot, best first, and lines to print. What was found in
        this directory before is taken as it is.

    Raises:
        RecipeError: for a recipe that has no such copy.
    """
    path = Path(directory) / CANDIDATES
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8")), [f"formulas: {path}, found before"]
    context = multiprocessing.get_context("spawn")  # TensorFlow stays out of this process
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        arguments = (recipe, dict(settings), seed, minutes, directory)
        return pool.submit(_find, *arguments).result()


def _find(
    recipe_path: str, settings: dict[str, Any], seed: int, minutes: float, directory: str
) -> tuple[dict[str, list[str]], list[str]]:
    from lossforge.recipe import load_recipe
    from lossforge.search.symbolic.formula_search import search_formulas
    from lossforge.search.symbolic.recipe_proxy import loss_text, proxy_of

    recipe = load_recipe(recipe_path, settings)
    proxy, slot = proxy_of(recipe, seed)
    found = {
        method: search_formulas(proxy, method, TRAININGS, minutes / len(METHODS), seed)
        for method in METHODS
    }
    formulas = distinct(found["evolution"].finalists)[:KEPT]
    chosen = distinct([*formulas, *found["evolution"].front, found["random"].best])
    alone = len(recipe.losses) == 1
    further = {slot.name: [loss_text(slot, proxy.domain.kind, t.tree, alone) for t in chosen]}
    lines = [
        f"formulas for slot '{slot.name}', on a network of one hidden layer ({m.seconds:.0f} s, "
        f"{m.trained} networks): {name} {m.best.score:.4f}  {m.best.text}"
        for name, m in found.items()
    ]
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / REPORT, report_of(recipe.name, proxy, found))
    write_atomically(folder / CANDIDATES, json.dumps(further, indent=1) + "\n")
    return further, [*lines, f"formulas: {folder / REPORT}"]


def distinct(found: Sequence[Trained]) -> list[Trained]:
    """The first of each form: formulas that differ in their numbers alone are one.

    >>> from lossforge.search.symbolic.proposers import Trained
    >>> one, other = ("mul", "p", 2.0), ("mul", "p", 2.1)
    >>> [t.text for t in distinct([Trained(one, 0.9), Trained(other, 0.8)])]
    ['p*2.0']
    """

    def form(tree: Tree) -> Tree:
        if isinstance(tree, tuple):
            return (tree[0], *map(form, tree[1:]))
        return tree if isinstance(tree, str) else "number"

    return list({form(one.tree): one for one in reversed(found)}.values())[::-1]


def report_of(name: str, proxy: Any, found: Mapping[str, Any]) -> str:
    """Markdown: every method, the front of size against score, the filters, and the winner."""
    from lossforge.expression import latex
    from lossforge.loss_card import card
    from lossforge.losses.formula import Formula
    from lossforge.losses.formula_source import keras_source

    best = found["evolution"].best
    lines = [
        f"# Formulas for {name}",
        "",
        "Validation scores of a network with one hidden layer on the recipe's data, each method",
        f"with the same time and at most {TRAININGS} formulas; winners over the seeds of the last",
        "rung. The best of many flatters: the study's full trials and `lossforge confirm` decide.",
        "",
        "| method | formulas trained | networks | seconds | score | winner |",
        "|---|---|---|---|---|---|",
    ]
    for method, m in found.items():
        lines.append(
            f"| {method} | {len(m.history)} | {m.trained} | {m.seconds:.0f} | {m.best.score:.4f} "
            f"| `{m.best.text}` |"
        )
    lines += ["", "## Size against score", "", "| parts | score | formula |", "|---|---|---|"]
    lines += [f"| {t.size} | {t.score:.4f} | `{t.text}` |" for t in found["evolution"].front]
    lines += [
        "",
        "## Filters",
        "",
        "| filter | reached | rejected | seconds |",
        "|---|---|---|---|",
    ]
    lines += [f"| {n} | {r} | {x} | {s:.2f} |" for n, r, x, s in found["evolution"].filters]
    winner = Formula(best.text, task=proxy.domain.kind, from_logits=_reads_logits(proxy))
    measured = card(winner)
    lines += ["", "## The winner", "", f"$${latex(best.tree)}$$", "", "```", measured.text(), "```"]
    lines += ["", "The same without lossforge:", "", "```python", keras_source(winner), "```"]
    return "\n".join(lines) + "\n"


def _reads_logits(proxy: Any) -> bool:
    from lossforge.search.symbolic.slopes import CLASSES

    return proxy.logits and proxy.domain.kind in CLASSES
