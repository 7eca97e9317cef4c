"""Writes docs/losses.md, the table of all losses, and their numbers into README.md.

python tools/docs/losses.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
START, END = "<!-- losses: start -->", "<!-- losses: end -->"

TITLES = {
    "classification": "Classification, imbalance, noisy labels",
    "regression": "Regression, distributions, order",
    "segmentation": "Segmentation",
    "boxes": "Boxes",
    "embedding": "Embeddings, proxies, margin softmax",
    "contrastive": "Contrastive and self-supervised",
    "distillation": "Distillation",
    "image": "Images",
    "adversarial": "Adversarial",
    "registration": "Registration",
    "ranking": "Ranking, preferences, policies, experts",
    "physics": "Physics",
    "": "Wrappers, formulas, composition",
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Write docs/losses.md, and the table in README.md."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")


def pages() -> dict[Path, str]:
    """The text of each file."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return {
        ROOT / "docs" / "losses.md": page(),
        readme: f"{before}{START}\n{summary()}{END}{after}",
    }


def families() -> dict[str, list[type]]:
    """{family: its losses by name}, in the order of TITLES."""
    from lossforge.losses import LOSSES

    found: dict[str, list[type]] = {family: [] for family in TITLES}
    for _, cls in sorted(LOSSES.items()):
        parts = cls.__module__.split(".")
        if parts[0] == "lossforge":  # not what tests or users register
            found[parts[2] if len(parts) > 3 else ""].append(cls)
    return found


def summary() -> str:
    lines = ["| family | losses | for example |", "|---|---|---|"]
    for family, losses in families().items():
        names = [cls.__name__ for cls in losses]
        examples = ", ".join(names[:: max(1, len(names) // 6)][:6])
        lines.append(f"| {TITLES[family]} | {len(names)} | {examples} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    losses = families()
    total = sum(map(len, losses.values()))
    parts = [
        "# Losses\n\nWritten by `tools/docs/losses.py` from the classes. "
        "`lossforge show NAME` says more.\n"
        "What the field has and where it is here: [coverage.md](coverage.md).\n",
        f"\n{total} losses; what each reads is in `lossforge/kinds/`.\n",
    ]
    for family, classes in losses.items():
        lines = [f"\n## {TITLES[family]}\n", "| loss | what it does | reads | source |"]
        lines.append("|---|---|---|---|")
        for cls in classes:
            reads = "what it wraps" if cls.wraps else ", ".join(cls.kinds)
            purpose = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
            cells = (f"`{cls.__name__}`", purpose, reads, cls.source)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    command()
