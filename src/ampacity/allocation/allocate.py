"""Fair shares of what the grid can carry: the rule, on all elements and quarters at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ampacity.allocation.filling import Crowd, Filled, fill, gathered
from ampacity.allocation.forest import Bools, Floats, Forest, Ints, placed, plant, repeated
from ampacity.errors import Unsuitable

RULE = "weighted max-min, firm part first"
RULE_VERSION = 2
_AT_A_TIME = 80_000  # users times quarters in one piece of work: a few tens of MB


@dataclass(frozen=True, slots=True)
class Allocation:
    """What each group gets, and why not more; arrays of shape (G, T)."""

    allocated_w: Floats
    bound_by: NDArray[np.int32]  # element that binds, -1 where the group's own cap does
    bound_phase: NDArray[np.int8]  # the phase (0, 1, 2) on which it binds, -1 where the own cap does
    level: Floats  # W per unit of weight at which the part above the floor stopped


def allocate(
    headroom_w: ArrayLike,
    parent: ArrayLike,
    element: ArrayLike,
    phase_share: ArrayLike,
    weight: ArrayLike,
    floor_w: ArrayLike,
    cap_w: ArrayLike,
    *,
    workers: int = 1,
) -> Allocation:
    """Weighted max-min fair shares: every element on the path binds, on every phase.

    First the firm parts are served; where they do not fit, they are filled by the rule
    itself.  Then what is left is filled on top: all groups rise together, each by its
    weight times a common level, until its cap or an element's phase on its path stops
    it; the others go on.  Every quarter hour and every tree for itself.  The result is
    the same to the bit in whatever order elements and groups are given.

    Args:
        headroom_w: Per element, phase and quarter hour [W], shape (E, P, T); below 0, or not known, counts as none.
        parent: Index of the upstream element, -1 at a root, shape (E,).
        element: Index of the element behind which the group is connected, shape (G,).
        phase_share: How much of each watt of the group loads each phase, shape (G, P), >= 0: thirds, one
            phase, or 1 on every phase where it is not known.
        weight: Contracted capacity, shape (G,), >= 0; a group without weight gets nothing.
        floor_w: Firm part [W], shape (G, T), >= 0.
        cap_w: The most it may get (contract, physical capability, need, request) [W], shape (G, T); may be infinite.
        workers: Threads to spread the work over; changes nothing in the result.

    Raises:
        Unsuitable: shapes do not fit, or a number is not what is said above.

    Example: a cable of 90 W on one phase; the first group asks for little, the others share 1 : 2.
        >>> cap_w = [[12.0], [80.0], [80.0]]
        >>> a = allocate([[[90.0]]], [-1], [0, 0, 0], [[1.0]] * 3, [1, 1, 2], np.zeros((3, 1)), cap_w)
        >>> a.allocated_w.ravel().tolist(), a.bound_by.ravel().tolist()
        ([12.0, 26.0, 52.0], [-1, 0, 0])
    """
    case = _Case(
        np.asarray(headroom_w), np.asarray(parent, np.int64), np.asarray(element, np.int64),
        np.asarray(phase_share, float), np.asarray(weight, float), np.asarray(floor_w), np.asarray(cap_w),
    )  # fmt: skip
    _check(case)
    ground = _ground(case)
    shape = case.cap_w.shape
    result = Allocation(np.zeros(shape), np.full(shape, -1, np.int32), np.full(shape, -1, np.int8), np.zeros(shape))

    if result.allocated_w.size == 0 or ground.group.size == 0:
        return result
    pieces = list(_pieces(shape, workers))
    beside = {count: _beside(case, ground, count) for count in {q.stop - q.start for q in pieces}}

    def work(quarters: slice) -> None:
        _allocate_quarters(case, ground, beside[quarters.stop - quarters.start], quarters, result)

    if workers <= 1:
        for quarters in pieces:
            work(quarters)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, pieces))
    return result


@dataclass(frozen=True, slots=True)
class _Case:
    """The large arrays stay in the type they came in, and become float64 piece by piece."""

    headroom_w: NDArray[np.floating]
    parent: Ints
    element: Ints
    phase_share: Floats
    weight: Floats
    floor_w: NDArray[np.floating]
    cap_w: NDArray[np.floating]


def _check(case: _Case) -> None:
    elements, groups = len(case.parent), len(case.element)
    phases, quarters = case.headroom_w.shape[1:] if case.headroom_w.ndim == 3 else (-1, -1)
    expected = {
        "headroom_w": (elements, phases, quarters), "parent": (elements,), "element": (groups,), "weight": (groups,),
        "phase_share": (groups, phases), "floor_w": (groups, quarters), "cap_w": (groups, quarters),
    }  # fmt: skip
    faults = [
        f"{name}: shape is {getattr(case, name).shape}, must be {shape}"
        for name, shape in expected.items()
        if getattr(case, name).shape != shape
    ]
    if faults:
        raise Unsuitable(faults)
    if groups and not (case.element.min() >= 0 and case.element.max() < elements):
        faults.append(f"element: indices run from {case.element.min()} to {case.element.max()}, there are {elements}")
    faults += _unusable("headroom_w", case.headroom_w == np.inf, case.headroom_w, "finite")
    for name in ("phase_share", "weight", "floor_w"):
        value = getattr(case, name)
        faults += _unusable(name, ~(np.isfinite(value) & (value >= 0)), value, "0 or more and finite")
    faults += _unusable("cap_w", ~(case.cap_w >= 0), case.cap_w, "0 or more")
    idle = ~(case.phase_share > 0).any(axis=1)
    faults += _unusable("phase_share", idle, case.phase_share, "above 0 on at least one phase")
    if faults:
        raise Unsuitable(faults)


def _unusable(name: str, wrong: Bools | np.bool_, value: NDArray[np.floating], rule: str) -> list[str]:
    if not np.any(wrong):
        return []
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return [f"{name}{list(first)}: is {value[first]}, must be {rule} ({int(np.sum(wrong))} such values)"]


def _pieces(shape: tuple[int, ...], workers: int) -> Iterator[slice]:
    """The quarters in runs that fit into caches, as long as each other, and at least one for each worker."""
    groups, quarters = shape
    most = max(1, min(_AT_A_TIME // max(groups, 1), -(-quarters // max(workers, 1))))
    run = -(-quarters // -(-quarters // most))
    return (slice(t, min(t + run, quarters)) for t in range(0, quarters, run))


@dataclass(frozen=True, slots=True)
class _Ground:
    """Where something is wanted: elements with groups behind them that do; in each tree one position for the others.

    The others stop nobody; but a tree's largest headroom sets the steps in which its sums are taken, as its groups do,
    whether they want something or not.
    """

    forest: Forest
    element: Ints  # (N,) which element stands at each position
    group: Ints  # (G',) groups with a weight that want something in any quarter, by their position
    at: Ints  # (G',) that position
    others: Ints  # elements without a group, tree by tree
    first_other: Ints  # where each tree's begin in `others`
    stands_for: Ints  # position that stands for them, of each of these trees
    users: Ints  # (N,) at a root how many groups with a weight its tree has
    heaviest: Floats  # (N,) at a root the largest weight on a phase of any of them


def _ground(case: _Case) -> _Ground:
    forest, order, position = plant(case.parent)
    weighted = np.flatnonzero(case.weight > 0)
    root = forest.root[position[case.element[weighted]]]
    heaviest = np.zeros(forest.size)
    np.maximum.at(heaviest, root, case.phase_share[weighted].max(axis=1) * case.weight[weighted])
    group = weighted[(case.cap_w[weighted] > 0).any(axis=1)]
    group = group[np.argsort(position[case.element[group]], kind="stable")]
    used = np.zeros(forest.size, bool)
    used[position[case.element[group]]] = True
    for level in reversed(forest.levels_down()):
        used[forest.parent[level][used[level]]] = True
    others = np.flatnonzero(~used & used[forest.root])
    others = others[np.argsort(forest.root[others], kind="stable")]
    first_other = np.flatnonzero(np.diff(forest.root[others], prepend=-1))
    kept = used.copy()
    kept[others[first_other]] = True  # a tree's first: what is upstream of it has groups behind
    place = np.cumsum(kept) - 1
    return _Ground(
        forest.keep(kept), order[kept], group, place[position[case.element[group]]],
        order[others], first_other, place[others[first_other]],
        np.bincount(root, minlength=forest.size)[kept], heaviest[kept],
    )  # fmt: skip


def _room(case: _Case, ground: _Ground, quarters: slice) -> Floats:
    """What each position may carry [W], (N, P, T); what is not known is nothing."""
    headroom_w = case.headroom_w[ground.element, :, quarters].astype(float)
    if ground.others.size:
        largest_w = np.fmax.reduceat(case.headroom_w[ground.others, :, quarters], ground.first_other, axis=0)
        headroom_w[ground.stands_for] = largest_w
    known_w: Floats = np.nan_to_num(headroom_w, nan=0.0, neginf=0.0)
    return known_w


@dataclass(frozen=True, slots=True)
class _Beside:
    """Some quarters side by side, each as a copy of the forest; the same for all pieces of so many quarters."""

    crowd: Crowd
    cell: Ints  # (M,) of each user: its group and quarter in an array (G, count) laid flat
    element: Ints  # (N,) at each position


def _beside(case: _Case, ground: _Ground, count: int) -> _Beside:
    forest, original, _ = repeated(ground.forest, count)
    row, quarter = _side_by_side(ground, count)
    group = ground.group[row]
    at = placed(ground.forest, ground.at[row], quarter, count)
    users, heaviest = ground.users[original], ground.heaviest[original]
    crowd = gathered(forest, at, case.phase_share[group].T, case.weight[group], users, heaviest)
    return _Beside(crowd, group * count + quarter, ground.element[original])


def _allocate_quarters(case: _Case, ground: _Ground, beside: _Beside, quarters: slice, result: Allocation) -> None:
    """Fill some quarters and write them into the result."""
    crowd, shape = beside.crowd, (len(case.weight), quarters.stop - quarters.start)
    headroom_w = _laid(_room(case, ground, quarters), ground.forest)
    cap_w = case.cap_w[:, quarters].astype(float).ravel()[beside.cell]
    floor_w = np.minimum(case.floor_w[:, quarters].astype(float).ravel()[beside.cell], cap_w)
    firm = fill(crowd, headroom_w, floor_w) if floor_w.any() else _nothing(headroom_w, len(cap_w))
    flexible = fill(crowd, firm.left_w, cap_w - firm.taken_w)
    stopped = np.where(firm.stopped_at >= 0, firm.stopped_at, flexible.stopped_at)
    phase, place = np.divmod(stopped, max(crowd.forest.size, 1))
    own = stopped < 0
    taken_w = np.where(own, cap_w, np.minimum(firm.taken_w + flexible.taken_w, cap_w))
    for into, found in (
        (result.allocated_w, taken_w),
        (result.level, flexible.taken_w / crowd.weight),
        (result.bound_by, np.where(own, -1, beside.element[place])),
        (result.bound_phase, np.where(own, -1, phase)),
    ):
        cells = into[:, quarters].ravel()  # a copy, in which those without a weight stay as they are
        cells[beside.cell] = found
        into[:, quarters] = cells.reshape(shape)


def _laid(values: Floats, forest: Forest) -> Floats:
    """Values (N, P, T) as those of the forest's copies side by side, (P, N * T): level by level, copy by copy."""
    starts = forest.level_start
    levels = [values[a:b].transpose(1, 2, 0).reshape(values.shape[1], -1) for a, b in pairwise(starts)]
    return np.concatenate(levels, axis=1) if levels else np.zeros((values.shape[1], 0))


def _side_by_side(ground: _Ground, count: int) -> tuple[Ints, Ints]:
    """Groups and quarters in the order of the positions of their copies: level by level, quarter by quarter."""
    cuts = np.searchsorted(ground.at, ground.forest.level_start)
    spans = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    rows = [np.tile(np.arange(a, b), count) for a, b in spans]
    quarters = [np.repeat(np.arange(count), b - a) for a, b in spans]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *rows]), np.concatenate([none, *quarters])


def _nothing(headroom_w: Floats, users: int) -> Filled:
    return Filled(np.zeros(users), np.full(users, -1, np.int64), headroom_w)
