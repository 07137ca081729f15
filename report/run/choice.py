"""Choose the images of a split that a report shows."""

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise, zip_longest

from common.files.dataset import Item


def choose(items: Sequence[Item], ious: Sequence[dict[str, float]], count: int) -> list[Item]:
    """The images that are shown, at most `count`, in the list's order; not random.

    ious: {id: mIoU} of each stage, in the method's order. Half are those that gain and lose most from one stage to the
    next, and the best and worst of the last; a quarter an even sample of each class; the rest one of the list. What one
    part does not use up goes to the next.
    """
    if len(items) <= count:
        return list(items)
    ids = [item.id for item in items]
    chosen = dict.fromkeys(take(extremes(ids, ious), count // 2))
    left = [item for item in items if item.id not in chosen]
    classes = sorted({cls for item in left for cls in item.classes})
    share = -(-count // (4 * max(1, len(classes))))
    samples = [even([item.id for item in left if cls in item.classes], share) for cls in classes]
    chosen |= dict.fromkeys(take(samples, count // 4))
    chosen |= dict.fromkeys(even([id for id in ids if id not in chosen], count - len(chosen)))
    return [item for item in items if item.id in chosen]


def extremes(ids: Sequence[str], ious: Sequence[dict[str, float]]) -> list[list[str]]:
    """Orders of ids: the largest gain first and the largest loss first from each stage to the next, best and worst.

    Ties stay in the order of `ids`.
    """
    orders = []
    for before, after in pairwise(ious):
        gain = {id: round(after[id] - before[id], 6) for id in ids if id in before and id in after}
        orders.append(sorted((id for id in gain if gain[id] > 0), key=gain.get, reverse=True))
        orders.append(sorted((id for id in gain if gain[id] < 0), key=gain.get))
    for last in ious[-1:]:
        scored = [id for id in ids if id in last]
        orders += [sorted(scored, key=last.get, reverse=True), sorted(scored, key=last.get)]
    return orders


def take(orders: Iterable[Sequence[str]], count: int) -> list[str]:
    """The first `count` different ids, one of each order in turn."""
    turns = (id for turn in zip_longest(*orders) for id in turn if id is not None)
    return list(islice(dict.fromkeys(turns), count))


def even(items: Sequence, count: int) -> list:
    """`count` of the items, evenly spaced; all if there are no more."""
    count = min(count, len(items))
    return [items[position * len(items) // count] for position in range(count)]
