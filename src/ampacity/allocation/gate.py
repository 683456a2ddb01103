"""What a gate comes to: all requests of it together, or one after the other."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

import numpy as np

from ampacity.allocation.allocate import Allocation, allocate
from ampacity.allocation.forest import Bools, Floats, Ints, plant
from ampacity.allocation.loading import TOLERANCE_W, element_load_w


class Order(StrEnum):
    """Who is served first at a gate."""

    FAIR = "fair"  # all together, by the filling
    FIRST_COME = "first_come"  # in the order of the batch


@dataclass(frozen=True, slots=True)
class Requests:
    """R requests of different groups; a wanted total per quarter, NaN where nothing is asked."""

    group: Ints  # (R,)
    wanted_w: Floats  # (R, T)
    all_or_nothing: Bools  # (R,)


@dataclass(frozen=True, slots=True)
class Grid:
    headroom_w: Floats
    parent: Ints
    element: Ints
    phase_share: Floats
    contracted_w: Floats
    firm_w: Floats
    known_entitled_w: Floats | None = None  # (G, T) what `entitled_w` comes to, where it was worked out before

    def filled(self, room_w: Floats, cap_w: Floats, floor_w: Floats | None = None) -> Allocation:
        floor = np.zeros_like(cap_w) if floor_w is None else floor_w
        return allocate(room_w, self.parent, self.element, self.phase_share, self.contracted_w, floor, cap_w)

    def entitled_w(self) -> Floats:
        """What each group would have if all used their contracts, shape (G, T)."""
        if self.known_entitled_w is not None:
            return self.known_entitled_w
        quarters = self.headroom_w.shape[2]
        contract_w, firm_w = (np.repeat(w[:, None], quarters, axis=1) for w in (self.contracted_w, self.firm_w))
        return self.filled(self.headroom_w, contract_w, firm_w).allocated_w

    def left_w(self, taken_w: Floats) -> Floats:
        return self.headroom_w - element_load_w(taken_w, self.parent, self.element, self.phase_share)


@dataclass(frozen=True, slots=True)
class Gate:
    requests: Requests
    held_w: Floats  # (G, T)
    claim_w: Floats  # (R, T) the total that each request may come to
    wanted_w: Floats  # (R, T) what it asks for, what is held where it asks for nothing

    def claims_w(self, without: Bools) -> Floats:
        """What every group holds or may come to (G, T); requests that stepped back keep what they hold."""
        claims = self.held_w.copy()
        mine = self.held_w[self.requests.group]
        claims[self.requests.group] = np.where(without[:, None], np.minimum(mine, self.claim_w), self.claim_w)
        return claims


def decide_gate(grid: Grid, gate: Gate, order: Order) -> tuple[Floats, Ints, Bools]:
    """What all groups hold afterwards (G, T), what binds each request (R, T), which requests stepped back (R,).

    Only the trees and the quarters that are asked about are decided on.
    """
    after_w = gate.held_w.copy()
    bound_by = np.full(gate.claim_w.shape, -1, np.int64)
    quarters = np.flatnonzero((~np.isnan(gate.requests.wanted_w)).any(axis=0))
    if quarters.size == 0:
        return after_w, bound_by, np.zeros(len(gate.requests.group), bool)
    part, elements, groups = _trees(grid, gate.requests.group, quarters)
    place = np.full(len(grid.element), -1)
    place[groups] = np.arange(len(groups))
    small = Gate(
        Requests(place[gate.requests.group], gate.requests.wanted_w[:, quarters], gate.requests.all_or_nothing),
        gate.held_w[np.ix_(groups, quarters)], gate.claim_w[:, quarters], gate.wanted_w[:, quarters],
    )  # fmt: skip
    match order:
        case Order.FAIR:
            small_w, bound, out = _together(part, small)
        case Order.FIRST_COME:
            small_w, bound, out = _one_by_one(part, small)
        case _:
            assert_never(order)
    after_w[np.ix_(groups, quarters)] = small_w
    bound_by[:, quarters] = np.where(bound >= 0, elements[bound], -1)
    return after_w, bound_by, out


def _trees(grid: Grid, asking: Ints, quarters: Ints) -> tuple[Grid, Ints, Ints]:
    """The trees in which somebody asks, and which elements and groups these are."""
    forest, order, position = plant(grid.parent)
    root = order[forest.root[position]]
    touched = np.zeros(len(root), bool)
    touched[root[grid.element[asking]]] = True
    elements = np.flatnonzero(touched[root])
    grid = _during(grid, quarters)
    if len(elements) == len(root):  # there is one tree, say
        return grid, elements, np.arange(len(grid.element))
    groups = np.flatnonzero(touched[root[grid.element]])
    place = np.full(len(root) + 1, -1)
    place[elements] = np.arange(len(elements))
    entitled_w = grid.known_entitled_w
    part = Grid(
        grid.headroom_w[elements], place[grid.parent[elements]], place[grid.element[groups]],
        grid.phase_share[groups], grid.contracted_w[groups], grid.firm_w[groups],
        None if entitled_w is None else entitled_w[groups],
    )  # fmt: skip
    return part, elements, groups


def _during(grid: Grid, quarters: Ints) -> Grid:
    if len(quarters) == grid.headroom_w.shape[2]:
        return grid
    entitled_w = grid.known_entitled_w
    return replace(
        grid,
        headroom_w=grid.headroom_w[:, :, quarters],
        known_entitled_w=None if entitled_w is None else entitled_w[:, quarters],
    )


def _together(grid: Grid, gate: Gate) -> tuple[Floats, Ints, Bools]:
    entitled_w = grid.entitled_w()
    out = np.zeros(len(gate.requests.group), bool)
    bound_by = np.full(gate.claim_w.shape, -1, np.int64)
    while True:
        claims_w = gate.claims_w(out)
        base_w = np.minimum(claims_w, entitled_w)
        lent = grid.filled(grid.left_w(base_w), claims_w - base_w)
        after_w = base_w + lent.allocated_w
        bound_by = np.where(out[:, None], bound_by, lent.bound_by[gate.requests.group])
        met = _met(gate, after_w[gate.requests.group])
        unmet = gate.requests.all_or_nothing & ~out & (met < 1.0)
        if not unmet.any():
            return after_w, bound_by, out
        out |= unmet & (met <= met[unmet].min())


def _one_by_one(grid: Grid, gate: Gate) -> tuple[Floats, Ints, Bools]:
    out = np.zeros(len(gate.requests.group), bool)
    bound_by = np.full(gate.claim_w.shape, -1, np.int64)
    after_w = gate.claims_w(np.ones_like(out))
    room_w = grid.left_w(after_w)
    for r, g in enumerate(gate.requests.group):
        more_w, bound_by[r], path = _along_path(grid, int(g), gate.claim_w[r] - after_w[g], room_w)
        out[r] = (
            gate.requests.all_or_nothing[r]
            and _met(gate, after_w[gate.requests.group] + _row(r, more_w, gate))[r] < 1.0
        )
        if not out[r]:
            after_w[g] += more_w
            room_w[path] -= grid.phase_share[g][:, None] * more_w
    return after_w, bound_by, out


def _row(r: int, more_w: Floats, gate: Gate) -> Floats:
    rows = np.zeros_like(gate.claim_w)
    rows[r] = more_w
    return rows


def _along_path(grid: Grid, g: int, more_w: Floats, room_w: Floats) -> tuple[Floats, Ints, list[int]]:
    """What one group gets of the room, what binds it per quarter, and the elements on its path."""
    given_w, bound_by, path = more_w.copy(), np.full(more_w.shape, -1, np.int64), []
    at = int(grid.element[g])
    while at >= 0:
        path.append(at)
        for p in np.flatnonzero(grid.phase_share[g] > 0):
            most_w = np.maximum(room_w[at, p], 0.0) / grid.phase_share[g, p]
            bound_by[most_w < given_w] = at
            given_w = np.minimum(given_w, most_w)
        at = int(grid.parent[at])
    return given_w, bound_by, path


def _met(gate: Gate, after_w: Floats) -> Floats:
    """The part of the additional energy that is given, 1 where every quarter is met, shape (R,)."""
    mine_w = gate.held_w[gate.requests.group]
    wanted = np.maximum(gate.wanted_w - mine_w, 0.0)
    every = ((after_w >= gate.wanted_w - TOLERANCE_W) | (gate.wanted_w <= mine_w)).all(axis=1)
    more = np.clip(after_w - mine_w, 0.0, None).sum(axis=1)
    part = more / np.maximum(wanted.sum(axis=1), TOLERANCE_W)
    met: Floats = np.where(every, 1.0, np.minimum(part, 1.0 - 1e-12))
    return met
