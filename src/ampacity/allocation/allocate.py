"""Fair shares of what the grid can carry: the rule, on all elements and quarters at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ampacity.allocation.filling import Filled, Users, fill
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
    forest, order = plant(case.parent)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    shape = case.cap_w.shape
    result = Allocation(np.zeros(shape), np.full(shape, -1, np.int32), np.full(shape, -1, np.int8), np.zeros(shape))

    def work(quarters: slice) -> None:
        _allocate_quarters(case, forest, order, position, quarters, result)

    if result.allocated_w.size == 0:
        return result
    if workers <= 1:
        for quarters in _pieces(shape, workers):
            work(quarters)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, _pieces(shape, workers)))
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
    """The quarters in runs that fit into caches, and at least one for each worker."""
    groups, quarters = shape
    run = max(1, min(_AT_A_TIME // max(groups, 1), -(-quarters // max(workers, 1))))
    return (slice(t, min(t + run, quarters)) for t in range(0, quarters, run))


def _allocate_quarters(
    case: _Case, forest: Forest, order: Ints, position: Ints, quarters: slice, result: Allocation
) -> None:
    """Fill some quarters, each as a copy of the forest beside the others, and write them into the result."""
    count = quarters.stop - quarters.start
    copies, original, copy = repeated(forest, count)
    room = np.nan_to_num(case.headroom_w[:, :, quarters].astype(float), nan=0.0, neginf=0.0)
    headroom_w = np.ascontiguousarray(room.transpose(1, 2, 0)[:, copy, order[original]])
    group = np.flatnonzero(case.weight > 0)
    group = group[
        np.argsort(position[case.element[group]], kind="stable")
    ]  # neighbours in memory are neighbours in the grid
    at = placed(forest, *_outer(position[case.element[group]], count), count)
    member = np.repeat(group, count)
    share = case.phase_share[member].T
    cap_w = case.cap_w[group, quarters].astype(float).ravel()
    floor_w = np.minimum(case.floor_w[group, quarters].astype(float).ravel(), cap_w)
    users = Users(at, share, case.weight[member], floor_w)
    firm = fill(copies, headroom_w, users) if floor_w.any() else _nothing(headroom_w, len(at))
    flexible = fill(copies, firm.left_w, replace(users, cap_w=cap_w - firm.taken_w))
    stopped = np.where(firm.stopped_at >= 0, firm.stopped_at, flexible.stopped_at)
    phase, place = np.divmod(stopped, copies.size)
    own = stopped < 0
    taken_w = np.where(own, cap_w, np.minimum(firm.taken_w + flexible.taken_w, cap_w))
    result.allocated_w[group, quarters] = taken_w.reshape(-1, count)
    result.level[group, quarters] = (flexible.taken_w / case.weight[member]).reshape(-1, count)
    result.bound_by[group, quarters] = np.where(own, -1, order[original[place]]).reshape(-1, count)
    result.bound_phase[group, quarters] = np.where(own, -1, phase).reshape(-1, count)


def _outer(position: Ints, count: int) -> tuple[Ints, Ints]:
    return np.repeat(position, count), np.tile(np.arange(count), len(position))


def _nothing(headroom_w: Floats, users: int) -> Filled:
    return Filled(np.zeros(users), np.full(users, -1, np.int64), headroom_w)
