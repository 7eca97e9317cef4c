"""Every Kind is its own: a second one of the same name would replace the first in silence."""

import re
from pathlib import Path

from lossforge import kinds


def test_no_two_kinds_share_a_name():
    source = Path(kinds.__file__).read_text()
    written = len(re.findall(r"^        Kind\(", source, flags=re.M))
    assert written == len(kinds.KINDS)
    drawn = re.findall(r"^def (_draw\w*)", source, flags=re.M)
    assert len(drawn) == len(set(drawn))
