"""Weighted max-min filling of forests, exactly and without a solver.

Progressive filling raises one level for all users together; a user takes its weight
times the level until its own cap or an element on its path stops it.  Rounds here are
parallel: in each, every place (an element's phase) at which *all* users that still rise
behind it would stop first is a bottleneck, and all such places are settled at once
(the bottleneck structure of max-min fairness; Ros-Giralt et al. 2019, Bertsekas and
Gallager, Data Networks, 6.5.2).  The lowest place of all always is one, so that at most
as many rounds as places are needed; some tens settle a distribution grid.

Sums are taken in whole steps (64-bit integers, per tree a power of two of its size), so
that no result depends on the order of addition, to the bit.
"""

from dataclasses import dataclass, replace

import numpy as np

from ampacity.allocation.forest import Bools, Floats, Forest, Ints, add_up

WEIGHT, WANT, COUNT = range(3)
_STEP_BITS = 50  # a tree's largest headroom is that many bits of steps, fewer where very many users add up


@dataclass(frozen=True, slots=True)
class Crowd:
    """Those who are to share: M of them, at their places in a forest, whatever they may want."""

    forest: Forest
    at: Ints  # (M,) position in the forest, ascending
    root: Ints  # (M,) that of the topmost element over it
    share: Floats  # (R, M) how much of each watt loads each phase; one row where all load all phases alike
    weight: Floats  # (M,) above 0
    bits: Ints  # (N,) of how many bits the sums of the tree with a root there may be
    weight_steps: Floats  # (N,) steps per unit of weight
    loads: tuple[Ints, Ints]  # (R, M) weight, 1 where it loads the phase
    sums: tuple[Ints, Ints]  # (R, N) of the users behind


@dataclass(frozen=True, slots=True)
class _Users:
    """Those of them who still rise."""

    at: Ints  # (M,) position in the forest, ascending
    share: Floats  # (R, M)
    weight: Floats  # (M,)
    cap_w: Floats  # (M,) 0 or more, infinite where there is none


@dataclass(frozen=True, slots=True)
class Filled:
    """What each user got, the place that stopped it, and what is left."""

    taken_w: Floats  # (M,)
    stopped_at: Ints  # (M,) phase times N plus position; -1 its own cap
    left_w: Floats  # (P, N) may be short of 0 by a few steps


@dataclass(frozen=True, slots=True)
class _Rising:
    """The part of the problem that is not settled yet.

    Where every user loads all phases alike, R is 1 and stands for each of them; else it is P.
    """

    forest: Forest
    origin: Ints  # (N,) position in the whole forest
    power_steps: Floats  # (N,) steps per watt
    weight_steps: Floats  # (N,) steps per unit of weight
    left: Ints  # (P, N) headroom
    sums: Ints  # (3, R, N) of the rising users behind: weight, what they want at most, their number
    users: _Users
    number: Ints  # (M,) among all users
    cap_level: Floats  # (M,)
    loads: tuple[Ints, Ints, Ints]  # (R, M) weight, wanted power, 1 where it loads the phase


def gathered(forest: Forest, at: Ints, share: Floats, weight: Floats, users: Ints, heaviest: Floats) -> Crowd:
    """A crowd at its places.

    Args:
        forest: The trees, N positions.
        at: The position of each user, ascending, shape (M,).
        share: How much of each of its watts loads each phase, shape (P, M).
        weight: Above 0, shape (M,).
        users: At each root how many users its tree may have, shape (N,).  This and the next one set the steps in which
            sums are taken: so these stay the same whoever of them is here.
        heaviest: At each root the largest weight on a phase of any of them, shape (N,).
    """
    if len(share) and (share == share[0]).all():
        share = share[:1]
    bits = np.minimum(_STEP_BITS, 60 - np.frexp(users + 1.0)[1])
    weight_steps = _steps(heaviest, bits)[forest.root]
    loads = np.ceil(share * weight * weight_steps[at]).astype(np.int64), (share > 0).astype(np.int64)
    sums = _behind(forest, at, loads[0]), _behind(forest, at, loads[1])
    return Crowd(forest, at, forest.root[at], share, weight, bits, weight_steps, loads, sums)


def fill(crowd: Crowd, headroom_w: Floats, cap_w: Floats) -> Filled:
    """Share the headroom of every position and phase among the users behind.

    Args:
        crowd: The M users, in a forest of N positions.
        headroom_w: Per phase and position [W], shape (P, N), finite; below 0 counts as none.
        cap_w: The most that each gets [W], shape (M,), 0 or more, infinite where there is none.
    """
    forest, rising = crowd.forest, _start(crowd, np.maximum(headroom_w, 0.0), cap_w)
    left_w = (rising.left - rising.sums[WANT]) / rising.power_steps
    taken_w = cap_w.copy()
    stopped_at = np.full(len(cap_w), -1, np.int64)
    if (left_w >= 0).all():
        return Filled(taken_w, stopped_at, left_w)
    planted = len(cap_w)
    while len(rising.users.at):
        levels, stop = _stops(rising)
        settled, own = _settled(rising, levels, stop)
        if settled.all() and rising.forest is forest:  # at once, as where the root binds: no need to go on counting
            taken_w[rising.number] = taken = _taken(rising, levels, own)
            stopped_at[rising.number] = np.where(own, -1, stop)
            left = rising.left - _behind(forest, rising.users.at, _power(rising, slice(None), taken))
            return Filled(taken_w, stopped_at, left / rising.power_steps)
        now = np.flatnonzero(settled)
        taken = _taken(rising, levels, own)[now]
        taken_w[rising.number[now]] = taken
        phase, place = np.divmod(stop[now], rising.forest.size)
        where = phase * forest.size + rising.origin[place]
        stopped_at[rising.number[now]] = np.where(own[now], -1, where)
        _take_out(rising, now, taken)
        rising = _without(rising, ~settled)
        if len(rising.users.at) < planted / 2:
            left_w[:, rising.origin] = rising.left / rising.power_steps
            rising, planted = _pruned(rising), len(rising.users.at)
    return Filled(taken_w, stopped_at, left_w)


def _taken(rising: _Rising, levels: Floats, own: Bools) -> Floats:
    """What each user gets if it stops now [W]."""
    users = rising.users
    return np.where(own, users.cap_w, np.minimum(users.weight * levels, users.cap_w))


def _start(crowd: Crowd, headroom_w: Floats, cap_w: Floats) -> _Rising:
    forest, share = crowd.forest, crowd.share
    size = forest.size
    largest_w = np.zeros(size)
    np.maximum.at(largest_w, forest.root, headroom_w.max(axis=0))
    power_steps = _steps(largest_w, crowd.bits)[forest.root]
    # More than twice the tree's headroom is as good as any more, and keeps the sums within 63 bits.
    want_w = np.minimum(share * np.minimum(cap_w, 1e300), np.where(largest_w > 0, 2.0 * largest_w, 1.0)[crowd.root])
    want = np.ceil(want_w * power_steps[crowd.at]).astype(np.int64)
    sums = np.stack([crowd.sums[0], _behind(forest, crowd.at, want), crowd.sums[1]])
    left = np.floor(headroom_w * power_steps).astype(np.int64)
    return _Rising(
        forest, np.arange(size), power_steps, crowd.weight_steps, left, sums,
        _Users(crowd.at, share, crowd.weight, cap_w), np.arange(len(cap_w)), cap_w / crowd.weight,
        (crowd.loads[0], want, crowd.loads[1]),
    )  # fmt: skip


def _behind(forest: Forest, at: Ints, loads: Ints) -> Ints:
    """Sums of loads (R, M) of users at ascending positions over all who stand behind each position, (R, N)."""
    sums = np.zeros((len(loads), forest.size), np.int64)
    add_up(sums, at, loads)
    forest.climb(sums)
    return sums


def _steps(largest: Floats, bits: Ints) -> Floats:
    """The power of two that makes the largest number that many bits long, within what a float can hold."""
    return np.ldexp(1.0, np.minimum(bits - np.frexp(largest)[1], 900))


def _stops(rising: _Rising) -> tuple[Floats, Ints]:
    """The lowest level at which each user may be stopped by a place, as known now, and that place."""
    level, place = _lowest_upstream(rising)
    at, loads = rising.users.at, np.broadcast_to(rising.loads[COUNT], (len(level), len(rising.users.at)))
    lowest = np.full(len(at), np.inf)
    stop = np.full(len(at), -1, np.int64)
    for p in range(len(level)):
        here = level[p].take(at)
        lower = (here < lowest) & (loads[p] > 0)
        np.copyto(lowest, here, where=lower)
        np.copyto(stop, place[p].take(at), where=lower)
    return lowest, stop


def _lowest_upstream(rising: _Rising) -> tuple[Floats, Ints]:
    """Per phase and position the lowest level on the way to the root, and its place; upstream wins a tie.

    A place's level is what is left over the weight that rises: a lower bound of where
    it will stop, since users that stop earlier only leave more.  A place that could
    give all who rise behind it all they want never stops anybody.
    """
    left, (weight, want, _) = rising.left, rising.sums
    binding = (want > left) & (weight > 0)
    level = np.full(left.shape, np.inf)
    factor = rising.weight_steps / rising.power_steps
    np.divide(np.maximum(left, 0), weight, out=level, where=binding)
    level *= factor
    size = rising.forest.size
    place = np.arange(left.size).reshape(left.shape)
    for down in rising.forest.levels_down():
        up = rising.forest.parent[down]
        for p in range(len(left)):
            above = level[p].take(up)
            lower = above <= level[p, down]
            np.copyto(level[p, down], above, where=lower)
            np.copyto(place[p, down], place[p].take(up), where=lower)
    assert place.size == 0 or place.max() < len(left) * size
    return level, place


def _settled(rising: _Rising, lowest: Floats, stop: Ints) -> tuple[Bools, Bools]:
    """Which users stop now, and which of them at their own cap."""
    own: Bools = rising.cap_level <= lowest
    count = np.broadcast_to(rising.sums[COUNT], rising.left.shape).ravel()
    stopping = np.bincount(stop[~own], minlength=count.size)
    bottleneck = stopping == count
    settled = own | bottleneck[stop]
    return settled, own


def _power(rising: _Rising, some: slice | Ints, taken_w: Floats) -> Ints:
    """The steps in which some users load the phases with what they take, (R, M)."""
    users = rising.users
    return np.ceil(users.share[:, some] * (taken_w * rising.power_steps[users.at[some]])).astype(np.int64)


def _take_out(rising: _Rising, now: Ints, taken_w: Floats) -> None:
    """Book, in place, what settled users take at every place on their path."""
    rows = len(rising.users.share)
    loads = [load[:, now] for load in rising.loads]
    out = _behind(rising.forest, rising.users.at[now], np.concatenate([*loads, _power(rising, now, taken_w)]))
    np.subtract(rising.sums, out[: 3 * rows].reshape(rising.sums.shape), out=rising.sums)
    np.subtract(rising.left, out[3 * rows :], out=rising.left)


def _without(rising: _Rising, still: Bools) -> _Rising:
    which = np.flatnonzero(still)
    users = rising.users
    weight, want, count = (load[:, which] for load in rising.loads)
    return replace(
        rising,
        users=_Users(users.at[which], users.share[:, which], users.weight[which], users.cap_w[which]),
        number=rising.number[which],
        cap_level=rising.cap_level[which],
        loads=(weight, want, count),
    )


def _pruned(rising: _Rising) -> _Rising:
    """Without the positions behind which nobody rises any more."""
    alive = rising.sums[COUNT].any(axis=0)
    position = np.cumsum(alive) - 1
    return replace(
        rising,
        forest=rising.forest.keep(alive),
        origin=rising.origin[alive],
        power_steps=rising.power_steps[alive],
        weight_steps=rising.weight_steps[alive],
        left=rising.left[:, alive],
        sums=rising.sums[:, :, alive],
        users=replace(rising.users, at=position[rising.users.at]),
    )
