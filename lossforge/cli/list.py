"""lossforge list: the losses, and what each reads; or the studies of a directory."""

from __future__ import annotations

from pathlib import Path

import click

from lossforge.cli import options


@click.command("list")
@click.argument("what", type=click.Choice(["losses", "studies"]), default="losses")
@click.option("--kind", metavar="NAME", help="Only losses that read this kind of tensors.")
@click.option(
    "--directory", default="studies", show_default=True, metavar="DIR", help="Where studies are."
)
@click.option("--storage", metavar="URL", help="Of studies in a database.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a loss or study.")
def command(what, kind, directory, storage, as_json) -> None:
    """List the losses: name, kinds of tensors that it reads, and purpose. Or list the studies.

    A loss over other losses reads what these read; its kinds are shown as "wraps".

    \b
    lossforge list
    lossforge list --kind boxes
    lossforge list --kind multiclass --json
    lossforge list studies
    """
    if what == "studies":
        _studies(Path(directory), storage, as_json)
    else:
        _losses(kind, as_json)


def _studies(directory: Path, storage: str | None, as_json: bool) -> None:
    import json

    from lossforge.search.summary import line, studies_in

    found = studies_in(directory, storage)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for each in found:
        click.echo(line(each))
    if not found:
        click.echo(f"There are no studies in {storage or directory}.", err=True)


def _losses(kind: str | None, as_json: bool) -> None:
    import inspect
    import json

    from lossforge.errors import UsageError, unknown_name
    from lossforge.kinds import KINDS

    if kind is not None and kind not in KINDS:
        raise UsageError(unknown_name("kind", kind, KINDS))
    with options.quiet_start():
        from lossforge.losses import LOSSES
    rows = []
    for name, cls in sorted(LOSSES.items()):
        reads = [] if cls.wraps else list(cls.kinds)
        if kind is None or kind in reads:
            purpose = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
            rows.append({"name": name, "kinds": reads, "purpose": purpose, "source": cls.source})
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    lines = [(row["name"], ",".join(row["kinds"]) or "wraps", row["purpose"]) for row in rows]
    wide = [max((len(line[column]) for line in lines), default=0) for column in (0, 1)]
    for line in lines:
        click.echo(f"{line[0]:{wide[0]}}  {line[1]:{wide[1]}}  {line[2]}".rstrip())
