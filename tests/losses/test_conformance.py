"""Every loss keeps every promise; a loss enters by existing and fails until it has an oracle."""

import importlib

import pytest

from lossforge.kinds import kind_of
from lossforge.losses import LOSSES
from lossforge.losses.base import snake_case
from lossforge.testing import CHECKS, cases, matches_oracle

OURS = [c for c in LOSSES.values() if not c.wraps and c.__module__.startswith("lossforge.")]


def parameters(further_variants_are_slow):
    """Every variant of every loss on each of its kinds."""
    for cls in OURS:
        seen = set()
        for arguments, kind in cases(cls):
            slow = further_variants_are_slow and kind in seen
            seen.add(kind)
            yield pytest.param(
                cls,
                arguments,
                kind,
                id=f"{cls.__name__}-{kind}-{arguments}",
                marks=pytest.mark.slow if slow else (),
            )


def oracle_of(cls):
    module = cls.__module__.replace("lossforge.losses", "oracles")
    return getattr(importlib.import_module(module), snake_case(cls.__name__))


@pytest.mark.parametrize("promise", CHECKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("cls", "arguments", "kind"), parameters(further_variants_are_slow=True))
def test_loss_keeps_its_promise(cls, arguments, kind, promise):
    promise(cls(**arguments), kind_of(kind))


@pytest.mark.parametrize(("cls", "arguments", "kind"), parameters(further_variants_are_slow=False))
def test_matches_oracle(cls, arguments, kind):
    matches_oracle(cls(**arguments), kind_of(kind), oracle_of(cls))
