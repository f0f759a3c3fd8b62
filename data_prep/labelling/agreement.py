"""How far several people agree on yes or no: Krippendorff's alpha and Fleiss' kappa.

Both compare the disagreement that was seen with the one that chance would give; 1 is full
agreement, 0 that of chance, and undefined (NaN) where everybody always said the same, so that
chance itself would agree. Alpha takes any number of answers an item, kappa equally many.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

NAN = float("nan")


def krippendorff(items: Iterable[Sequence[Hashable]]) -> float:
    """Nominal alpha of items, each the answers that it got; items of one answer do not count."""
    paired = [Counter(answers) for answers in items if len(answers) > 1]
    total = sum((one for one in paired), Counter())
    n = sum(total.values())
    seen = sum(_pairs(one) / (sum(one.values()) - 1) for one in paired)
    chance = _pairs(total)
    return 1 - (n - 1) * seen / chance if chance else NAN


def fleiss(items: Iterable[Sequence[Hashable]]) -> float:
    """Kappa of the items that got as many answers as most did; NaN without two answers an item."""
    found = [Counter(answers) for answers in items if len(answers) > 1]
    if not found:
        return NAN
    sizes = Counter(sum(one.values()) for one in found)
    size = max(sizes, key=lambda n: (sizes[n], n))
    kept = [one for one in found if sum(one.values()) == size]
    total = sum(kept, Counter())
    n = sum(total.values())
    agreed = sum(1 - _pairs(one) / (size * (size - 1)) for one in kept) / len(kept)
    chance = sum((count / n) ** 2 for count in total.values())
    return (agreed - chance) / (1 - chance) if len(total) > 1 else NAN


def _pairs(answers: Counter) -> int:
    """Ordered pairs of different answers."""
    n = sum(answers.values())
    return n * n - sum(count * count for count in answers.values())


def majority(answers: Sequence[float]) -> float | None:
    """What more than half say; None where there is a tie."""
    yes = sum(answers)
    no = len(answers) - yes
    return None if yes == no else float(yes > no)
