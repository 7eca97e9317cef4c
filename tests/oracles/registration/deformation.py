"""Differences of a displacement field, one pixel at a time."""

import numpy as np


def moved(place, **steps):
    return tuple(v + steps.get(f"axis{i}", 0) for i, v in enumerate(place))


def mean_over_places(field, difference):
    """Mean of squared lengths over the places at which `difference(at, place)` exists."""
    inside = set(np.ndindex(*field.shape[:-1]))

    def at(place):
        if place not in inside:
            raise IndexError
        return field[place]

    lengths = []
    for place in inside:
        try:
            lengths.append(sum(float(v) ** 2 for v in difference(at, place)))
        except IndexError:
            continue
    return sum(lengths) / len(lengths)


def diffusion(y_true, y_pred):
    losses = []
    for field in y_pred:
        total = 0.0
        for axis in range(field.ndim - 1):
            step = {f"axis{axis}": 1}
            total += mean_over_places(field, lambda at, i, s=step: at(moved(i, **s)) - at(i))
        losses.append(total)
    return np.array(losses)


def bending_energy(y_true, y_pred):
    losses = []
    for field in y_pred:
        total = 0.0
        for a in range(field.ndim - 1):
            for b in range(field.ndim - 1):

                def second(at, i, a=f"axis{a}", b=f"axis{b}"):
                    if a == b:
                        return at(moved(i, **{a: 1})) - 2 * at(i) + at(moved(i, **{a: -1}))
                    corners = [(s, t) for s in (1, -1) for t in (1, -1)]
                    return sum(s * t * at(moved(i, **{a: s, b: t})) for s, t in corners) / 4

                total += mean_over_places(field, second)
        losses.append(total)
    return np.array(losses)
