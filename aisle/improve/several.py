"""Many tests at once: p values as large as they must be so that no one of them is significant by their number alone."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the order given (Holm 1979).

    The smallest is multiplied by how many there are, the next by one less, and so on; none is below a smaller one's,
    and none above 1. Rejecting what is at most alpha is wrong anywhere with a probability of at most alpha, whatever
    the tests have to do with each other.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    found, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        found[place] = highest
    return found
