"""Pairs of pictures for verification, in the format of LFW's pairs.txt."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lossforge.data.identities import PICTURES, read_picture
from lossforge.errors import RecipeError
from lossforge.metrics.verification import lfw_accuracy


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two picture files, whether they are of one identity, and the fold that they belong to."""

    first: Path
    second: Path
    same: bool
    fold: int


def read_lfw_pairs(file: str | os.PathLike, folder: str | os.PathLike) -> list[Pair]:
    """The pairs of a file.

    The first line has the number of folds and of pairs of a kind in each ("10 300"; a lone number
    is one fold). Then, fold by fold, first the pairs of one identity, "name 1 4", then those of
    two, "name 1 other 2". Picture n of a name is `folder/name/name_000n.jpg` (or .png, ...).

    Raises:
        RecipeError: for a file that can't be read, a line that is no pair, naming it, a number of
            pairs that the first line does not give, or a picture that is missing.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Can't read the pairs file {file}: {error}.") from None
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows or not all(word.isdigit() and int(word) for word in rows[0][1]):
        raise RecipeError(
            f"{file}, line 1: expected '<folds> <pairs of a kind>', such as '10 300'."
        )
    header = [int(word) for word in rows.pop(0)[1]]
    folds, each = header if len(header) == 2 else (1, header[0])
    if len(rows) != 2 * folds * each:
        raise RecipeError(
            f"{file} has {len(rows)} pairs; its first line promises {folds} x 2 x {each}."
        )
    pairs = []
    for place, (number, words) in enumerate(rows):
        same = len(words) == 3
        if len(words) not in (3, 4) or same != (place // each % 2 == 0):
            kind = "'name 1 4'" if place // each % 2 == 0 else "'name 1 other 2'"
            raise RecipeError(f"{file}, line {number}: expected {kind}, got '{' '.join(words)}'.")
        first, second = (words[:2], [words[0], words[2]] if same else words[2:])
        where = f"{file}, line {number}"
        one, other = (_picture(Path(folder), name, n, where) for name, n in (first, second))
        pairs.append(Pair(one, other, same, place // (2 * each)))
    return pairs


def verify_pairs(
    pairs: list[Pair], predict: Callable[[Any], dict[str, np.ndarray]], size: int, batch: int = 128
) -> tuple[float, float]:
    """LFW's accuracy of a task on pairs, and its standard error (see `lfw_accuracy`).

    Args:
        pairs: from `read_lfw_pairs`.
        predict: from pictures (B, size, size, 3), 0..255, to {"embedding": (B, D)}, such as
            `Embedding.predict`.
        size: side of the network's input.
    """
    files = sorted({file for pair in pairs for file in (pair.first, pair.second)})
    parts = [
        predict(np.stack([read_picture(f, size) for f in files[i : i + batch]]))["embedding"]
        for i in range(0, len(files), batch)
    ]
    place = {file: number for number, file in enumerate(files)}
    embeddings = np.concatenate(parts)
    first = embeddings[[place[pair.first] for pair in pairs]]
    second = embeddings[[place[pair.second] for pair in pairs]]
    similar = np.einsum("nd,nd->n", first, second)
    return lfw_accuracy(similar, [p.same for p in pairs], [p.fold for p in pairs])


def _picture(folder: Path, name: str, number: str, where: str) -> Path:
    stem = f"{name}_{int(number):04d}" if number.isdigit() else f"{name}_{number}"
    for suffix in PICTURES:
        file = folder / name / (stem + suffix)
        if file.is_file():
            return file
    raise RecipeError(f"{where}: there is no picture {folder / name / stem}.jpg.")
