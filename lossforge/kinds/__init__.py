"""What tensors losses read: the shapes in words, and how to draw examples of them. By family."""

from lossforge.errors import unknown_name
from lossforge.kinds import boxes, classes, critics, embeddings, images, numbers, rankings
from lossforge.kinds.kind import Kind, probabilities

__all__ = ["FAMILIES", "KINDS", "Kind", "kind_of", "probabilities"]

FAMILIES = (classes, numbers, boxes, embeddings, images, critics, rankings)

KINDS: dict[str, Kind] = {kind.name: kind for family in FAMILIES for kind in family.KINDS}


def kind_of(name: str) -> Kind:
    """The Kind of that name, or a ValueError with all names."""
    if name not in KINDS:
        raise ValueError(unknown_name("kind", name, KINDS))
    return KINDS[name]
