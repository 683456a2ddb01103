"""Elements without a meter, forecast from those around them once these are forecast.

An element whose children are all forecast gets their sum; one without children gets its share of what its parent
carries beyond the other children.  What neither way is known stays as it was, and says so by its source.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from ampacity.forecasting import ForecastSource, LoadForecast
from ampacity.forecasting.rollup import UNKNOWN_CORRELATION, correlation_of, rest_of, rolled_up, shared_out
from ampacity.network import PHASES, Direction
from ampacity.operations.bases import Bases
from ampacity.operations.block_forecast import BlockForecast
from ampacity.operations.forecast_plan import Plan, element_blocks
from ampacity.operations.rooms import room_of, round_quantiles
from ampacity.operations.settled_loads import Reader
from ampacity.ports import Floats, GridStore
from ampacity.timegrid import QUARTERS_PER_DAY, moment_of

UNMETERED = (ForecastSource.NONE, ForecastSource.LIMIT, ForecastSource.PROFILE)
WITHOUT_A_WORD = (ForecastSource.NONE, ForecastSource.LIMIT)
CORRELATED_CHILDREN = 16  # looked at for how alike their loads are
CORRELATED_DAYS = 16
MOSTLY_KNOWN = 0.8  # of these days, for a load to be looked at for how it goes with others


@dataclass(kw_only=True)
class _Known:
    """What is forecast of one element."""

    load_w: Floats  # (Q, 3, T)
    source: Floats  # (3,)
    weather_free: Floats  # (3, T)
    fallback_w: dict[Direction, Floats]  # headroom (3, hours); empty where none is due

    def is_only(self, sources: Sequence[ForecastSource]) -> bool:
        return bool(np.isin(self.source, sources).all())


@dataclass(kw_only=True)
class RollUp:
    """Fills in elements without a meter; blocks that hold such wait until all others are forecast.

    `forecast_again` forecasts a block that was passed on already, `correlation` learns how alike the loads of some
    elements are.
    """

    plan: Plan
    bases: Bases
    forecast_again: Callable[[range], Awaitable[BlockForecast]]
    correlation: Callable[[Sequence[int]], Awaitable[float]]
    _children: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for e, parent in enumerate(self.plan.network.parent.tolist()):
            if parent >= 0:
                self._children[parent].append(e)

    async def filled(self, blocks: AsyncGenerator[BlockForecast]) -> AsyncGenerator[BlockForecast]:
        """The blocks with what they lack: first those that lack nothing."""
        held = []
        async with aclosing(blocks):
            async for block in blocks:
                if self._lacking(block):
                    held.append(block)
                else:
                    yield block
        if not held:
            return
        known = await self._around(held)
        await self._sum_up(known, [e for block in held for e in self._lacking(block)])
        self._share_out(known, [e for block in held for e in self._lacking(block)])
        for block in held:
            yield await asyncio.to_thread(_with, self.plan, block, known)

    def _lacking(self, block: BlockForecast) -> list[int]:
        """The elements of a block that have no meter but relatives."""
        alone = np.isin(block.forecast.source, UNMETERED).all(axis=1) & (block.forecast.source > 0).any(axis=1)
        found = (block.elements.start + int(i) for i in np.flatnonzero(alone))
        return [e for e in found if self._children.get(e) or self.plan.network.parent[e] >= 0]

    async def _around(self, held: Sequence[BlockForecast]) -> dict[int, _Known]:
        """What is forecast of those that lack a meter, and of their parents, siblings and children."""
        lacking = [e for block in held for e in self._lacking(block)]
        parents = [int(self.plan.network.parent[e]) for e in lacking if self.plan.network.parent[e] >= 0]
        wanted = {*lacking, *parents}
        for e in (*lacking, *parents):
            wanted.update(self._children.get(e, ()))
        known: dict[int, _Known] = {}
        for block in held:
            known.update(_known_of(block, (e for e in block.elements if e in wanted)))
        left = wanted - known.keys()
        for block_of in element_blocks(len(self.plan.network.elements)):
            inside = [e for e in block_of if e in left]
            if inside:
                known.update(_known_of(await self.forecast_again(block_of), inside))
        return known

    async def _sum_up(self, known: dict[int, _Known], lacking: Iterable[int]) -> None:
        depth = self.plan.network.depth
        for e in sorted(lacking, key=lambda e: -int(depth[e])):
            children = self._children.get(e, [])
            if not children or any(known[c].is_only(WITHOUT_A_WORD) for c in children):
                continue
            day = self.plan.day_start // QUARTERS_PER_DAY
            kept = self.bases.correlations.get(e)
            if kept is None or kept[0] != day:
                kept = day, await self.correlation(children[:CORRELATED_CHILDREN])
                self.bases.correlations[e] = kept
            known[e] = self._sum(e, known[e], {c: known[c] for c in children}, kept[1])

    def _sum(self, e: int, own: _Known, children: dict[int, _Known], correlation: float) -> _Known:
        together = self._forecast_of(list(children.values()))
        load_w = rolled_up(together, np.ones(len(children), bool), correlation)
        there = own.source[:, None] != ForecastSource.NONE
        return _Known(
            load_w=np.where(there, load_w, np.float32(np.nan)),
            source=np.where(there[:, 0], ForecastSource.SUM, ForecastSource.NONE),
            weather_free=np.any([c.weather_free for c in children.values()], axis=0) & there,
            fallback_w={d: self._fallback(e, d, children) for d in own.fallback_w},
        )

    def _fallback(self, e: int, direction: Direction, children: dict[int, _Known]) -> Floats:
        """What is left of an element's limit when all its children carry their worst credible load at once [W]."""
        limit_w = self.plan.limit_w
        taken_w = np.zeros_like(next(iter(children.values())).fallback_w[direction])
        for c, known in children.items():
            taken_w += np.nan_to_num(limit_w[c][:, None] - known.fallback_w[direction])
        left_w: Floats = np.maximum(limit_w[e][:, None] - taken_w, 0).astype(np.float32)
        return left_w

    def _share_out(self, known: dict[int, _Known], lacking: Iterable[int]) -> None:
        """From the root down, what a parent carries beyond its known children among those that are not known."""
        depth, parent = self.plan.network.depth, self.plan.network.parent
        open_ = [e for e in lacking if known[e].is_only(WITHOUT_A_WORD) and parent[e] >= 0]
        for p in sorted({int(parent[e]) for e in open_}, key=lambda p: int(depth[p])):
            above = known[p]
            if above.is_only(WITHOUT_A_WORD) or (above.source == ForecastSource.SUM).any():
                continue
            takers = [c for c in self._children[p] if known[c].is_only(WITHOUT_A_WORD)]
            others = [known[c] for c in self._children[p] if c not in takers]
            levels = self.plan.forecast.levels
            rest_w = above.load_w
            if others:
                summed_w = rolled_up(self._forecast_of(others), np.ones(len(others), bool), UNKNOWN_CORRELATION)
                rest_w = rest_of(above.load_w, summed_w, levels)
            rating_w = self.plan.limit_w[takers]
            part = rating_w / np.maximum(rating_w.sum(axis=0), 1e-9)
            for c, load_w in zip(takers, shared_out(rest_w, levels, part).transpose(1, 0, 2, 3), strict=True):
                there = (known[c].source != ForecastSource.NONE) & (above.source != ForecastSource.NONE)
                known[c] = replace(
                    known[c],
                    load_w=np.where(there[:, None], load_w, known[c].load_w),
                    source=np.where(there, ForecastSource.SHARE, known[c].source),
                    weather_free=above.weather_free & there[:, None],
                )

    def _forecast_of(self, elements: Sequence[_Known]) -> LoadForecast:
        return LoadForecast(
            window=self.plan.ahead,
            levels=self.plan.forecast.levels,
            load_w=np.stack([k.load_w for k in elements], axis=1),
            source=np.stack([k.source for k in elements]).astype(np.int8),
        )


def _known_of(block: BlockForecast, elements: Iterable[int]) -> dict[int, _Known]:
    forecast = block.forecast
    none = np.zeros((PHASES, forecast.window.count), bool)
    return {
        e: _Known(
            load_w=forecast.load_w[:, i],
            source=forecast.source[i],
            weather_free=none if forecast.weather_free is None else forecast.weather_free[i],
            fallback_w={d: room_w[i] for d, room_w in block.room.fallback_w.items()},
        )
        for e in elements
        for i in (e - block.elements.start,)
    }


def _with(plan: Plan, block: BlockForecast, known: dict[int, _Known]) -> BlockForecast:
    """The block with what is known of its elements by now."""
    forecast = block.forecast
    load_w, source = forecast.load_w.copy(), forecast.source.copy()
    free = np.zeros((len(source), PHASES, forecast.window.count), bool)
    if forecast.weather_free is not None:
        free |= forecast.weather_free
    for i, e in enumerate(block.elements):
        if e in known:
            load_w[:, i], source[i], free[i] = known[e].load_w, known[e].source, known[e].weather_free
    said = replace(forecast, load_w=load_w, source=source, weather_free=free if free.any() else None)
    round_quantiles(said, plan.forecast)
    fallback_w = {d: room_w.copy() for d, room_w in block.room.fallback_w.items()}
    for d, room_w in fallback_w.items():
        for i, e in enumerate(block.elements):
            if e in known:
                room_w[i] = known[e].fallback_w[d]
    room = replace(room_of(plan, block.elements, said, None), fallback_w=fallback_w)
    return replace(block, forecast=said, room=room)


@dataclass(frozen=True)
class Alike:
    """How alike loads are, by what was known when the day began: the same on every server, all day."""

    plan: Plan
    grid: GridStore

    async def correlation(self, elements: Sequence[int]) -> float:
        """Of some elements, over the last days."""
        delay = timedelta(minutes=self.plan.cycle.measurement_delay_min)
        then = replace(self.plan, origin=self.plan.day_start, made_at=moment_of(self.plan.day_start) + delay)
        reader = Reader(then, self.grid, has_use=await self.grid.load_span("group") is not None)
        found = [(await reader.start(range(e, e + 1), CORRELATED_DAYS))[0].load_w[0] for e in elements]
        load_w = np.concatenate(found)
        known = np.isfinite(load_w).mean(axis=1) > MOSTLY_KNOWN
        return correlation_of(load_w[known])
