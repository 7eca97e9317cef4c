"""Every loss keeps every promise; a loss enters by existing and fails until it has an oracle."""

import importlib

import pytest

from lossforge.kinds import kind_of
from lossforge.losses import LOSSES
from lossforge.losses.base import snake_case
from lossforge.testing import CHECKS, cases, matches_oracle

CASES = [
    pytest.param(cls, arguments, kind, id=f"{cls.__name__}-{kind}-{arguments}")
    for cls in LOSSES.values()
    if not cls.wraps and cls.__module__.startswith("lossforge.")
    for arguments, kind in cases(cls)
]


def oracle_of(cls):
    module = cls.__module__.replace("lossforge.losses", "oracles")
    return getattr(importlib.import_module(module), snake_case(cls.__name__))


@pytest.mark.parametrize("promise", CHECKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("cls", "arguments", "kind"), CASES)
def test_loss_keeps_its_promise(cls, arguments, kind, promise):
    promise(cls(**arguments), kind_of(kind))


@pytest.mark.parametrize(("cls", "arguments", "kind"), CASES)
def test_matches_oracle(cls, arguments, kind):
    matches_oracle(cls(**arguments), kind_of(kind), oracle_of(cls))
