"""Every Kind is its own: a second one of the same name would replace the first in silence."""

from lossforge.kinds import FAMILIES, KINDS


def test_no_two_kinds_share_a_name():
    assert sum(len(family.KINDS) for family in FAMILIES) == len(KINDS)
