"""Reads the loads of blocks of elements and takes off what the flexible groups behind them drew."""

import asyncio
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ampacity.network import Network
from ampacity.network.settling import Settled, known_use, settle
from ampacity.operations.forecast_plan import Plan
from ampacity.ports import Floats, GridStore, Ints
from ampacity.timegrid import QUARTERS_PER_DAY, Window

GROUPS_AT_ONCE = 1024


class Reader:
    """Reads blocks and settles them, ahead of their use."""

    def __init__(self, plan: Plan, grid: GridStore, *, has_use: bool) -> None:
        self._plan, self._grid, self._has_use = plan, grid, has_use

    def start(self, block: range, days: int) -> "asyncio.Task[tuple[Settled, Window]]":
        """Begin to read the last days before the origin."""
        return self.since(block, self._plan.origin - days * QUARTERS_PER_DAY)

    def since(self, block: range, first_quarter: int) -> "asyncio.Task[tuple[Settled, Window]]":
        """Begin to read from a quarter up to the origin."""
        window = Window(first_quarter, self._plan.origin - first_quarter)
        return asyncio.create_task(self._settled(block, window))

    async def _settled(self, block: range, window: Window) -> tuple[Settled, Window]:
        plan = self._plan
        known_at = plan.known_at
        measured_w = await self._grid.loads("element", block, window, known_at)
        used_w: Floats = np.zeros((1, 1, 1), np.float32)
        if self._has_use:
            used_w = await _used(plan.network, block, window, known_at, self._grid)
        used_w = np.broadcast_to(used_w, measured_w.shape)
        limit_w = plan.limit_w[block.start : block.stop]
        return await asyncio.to_thread(settle, measured_w, used_w, limit_w), window


async def _used(network: Network, block: range, window: Window, known_at: datetime, grid: GridStore) -> Floats:
    """What the groups behind a block of elements drew [W], shape (E, 3, T), in runs of groups that fit memory."""
    used_w = np.zeros((len(block), 3, window.count), np.float32)
    for first in range(0, len(network.groups), GROUPS_AT_ONCE):
        groups = range(first, min(first + GROUPS_AT_ONCE, len(network.groups)))
        paths = paths_into(network, groups, block)
        if paths[0].size:
            group_w = known_use(await grid.loads("group", groups, window, known_at))
            np.add.at(used_w, paths[1], group_w[paths[0]].astype(np.float32))
    return used_w


def paths_into(network: Network, groups: range, block: range) -> tuple[Ints, Ints]:
    """Pairs (group in the run, element in the block) where the element lies on the group's path to the root."""
    rows, at = np.arange(len(groups)), network.element[groups.start : groups.stop].copy()
    found_groups: list[NDArray[np.int64]] = []
    found_elements: list[NDArray[np.int64]] = []
    while rows.size:
        inside = (at >= block.start) & (at < block.stop)
        found_groups.append(rows[inside])
        found_elements.append(at[inside] - block.start)
        at = network.parent[at]
        rows, at = rows[at >= 0], at[at >= 0]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *found_groups]), np.concatenate([none, *found_elements])
