"""TFDS sets by name, made or downloaded once however many processes ask."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lossforge.errors import RecipeError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def named_builder(
    name: str,
    data_dir: str | os.PathLike | None = None,
    check: Callable[[tfds.core.DatasetBuilder], object] = lambda builder: None,
) -> tfds.core.DatasetBuilder:
    """The TFDS builder of that name ("voc/2007") with its files at hand.

    Args:
        name: a set of TFDS, or any builder class that has been imported.
        data_dir: where sets are kept; TFDS's own folder by default.
        check: called with the builder before anything is downloaded; may raise.

    Raises: RecipeError, when there is no such set or its files can't be had.
    """
    import tensorflow_datasets as tfds

    family = name.split("/")[0].split(":")[0]
    known = tfds.list_builders(with_community_datasets=False)
    if family not in known:
        close = difflib.get_close_matches(family, known, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise RecipeError(f"data={name} is neither a folder nor a set of TFDS.{hint}")
    where = None if data_dir is None else Path(data_dir).expanduser()
    try:
        builder = tfds.builder(name, data_dir=where)
    except Exception as error:
        configs = ", ".join(tfds.builder_cls(family).builder_configs) or "none"
        raise RecipeError(f"data={name}: {family} has these configs: {configs}.") from error
    check(builder)
    try:
        return prepared(lambda folder: tfds.builder(name, data_dir=folder), builder.data_dir_root)
    except ImportError as error:
        raise RecipeError(f"data={name} needs a package to be prepared: {error}.") from error
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise RecipeError(
            f"data={name} can't be downloaded or prepared ({type(error).__name__}: {reason}). "
            f"Without a network: run tfds.load({name!r}) elsewhere and copy what it writes to "
            f"{builder.data_dir}."
        ) from error


def prepared(
    make: Callable[[str | os.PathLike], tfds.core.DatasetBuilder], data_dir: str | os.PathLike
) -> tfds.core.DatasetBuilder:
    """`make(data_dir)`, its files written once.

    Any number of processes may ask at the same time: each writes to a folder of its own, and the
    first to finish renames it into place. (TFDS does the same, but draws the folder's name from
    Python's global random state, which equally seeded trials share.)
    """
    builder = make(data_dir)
    final = Path(builder.data_dir)
    if final.exists():
        return builder
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".preparing-") as scratch:
        fresh = make(scratch)
        fresh.download_and_prepare(download_dir=Path(data_dir) / "downloads")
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(fresh.data_dir, final)
        except OSError:
            if not final.exists():
                raise
    return make(data_dir)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS from reporting on a set that takes seconds: no bars, prints or warnings."""
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
