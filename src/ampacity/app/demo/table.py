"""The live table of the demonstration: per group what it may use, what it draws, what binds it, what it asked for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ampacity.app.clock import DataClock
from ampacity.app.demo.providers import ProviderProcess
from ampacity.app.session import Store
from ampacity.network import ForecastKind, Network
from ampacity.operations.away import AWAY
from ampacity.timegrid import quarter_at

REFRESH_S = 1.0
# With the shares of the width that words have; on a narrow screen they give way, the figures do not.
COLUMNS = {"group": 3, "may use kW": None, "draws kW": None, "bound by": 3, "last request": 4}


@dataclass(frozen=True, kw_only=True)
class LiveTable:
    """Shows how things stand, again and again."""

    store: Store
    network: Network
    providers: Sequence[ProviderProcess]
    clock: DataClock

    async def run(self, console: Console) -> None:
        """Refresh until a provider ends; where there is no terminal, a table for each cycle.

        Raises:
            Unreachable: a provider's process ended.
        """
        if console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                while True:
                    live.update(await self._checked(), refresh=True)
                    await asyncio.sleep(REFRESH_S)
        shown: int | None = None
        while True:
            table = await self._checked()
            cycle = await self.store.cycles.last_cycle()
            if cycle is not None and cycle.decision_id != shown:
                shown = cycle.decision_id
                console.print(table)
            await asyncio.sleep(REFRESH_S)

    async def _checked(self) -> Table:
        for provider in self.providers:
            provider.check()
        return await self.table()

    async def table(self) -> Table:
        """How things stand now."""
        now = self.clock()
        cycle = await self.store.cycles.last_cycle()
        title = f"data time {now:%Y-%m-%d %H:%M} UTC"
        if cycle is not None:
            took = sum(cycle.stages.values())
            title += f" · cycle {cycle.slot:%H:%M}, decision {cycle.decision_id}, {took:.1f} s"
        table = Table(title=title, caption="Ctrl-C ends", pad_edge=False, expand=True)
        for name, share in COLUMNS.items():
            if share is None:
                table.add_column(name, justify="right", no_wrap=True, width=len(name))
            else:
                table.add_column(name, no_wrap=True, ratio=share)
        for row in await self._rows():
            table.add_row(*row)
        return table

    async def _rows(self) -> list[tuple[str, ...]]:
        groups = self.network.groups
        now = self.clock()
        table = (await self.store.cycles.newest_capacities(len(groups), now)).get(ForecastKind.CONSUMPTION)
        outcomes = await self.store.requests.newest_outcomes()
        drawn_w = {g: load for p in self.providers for g, load in p.load_w.items()}
        rows: list[tuple[str, ...]] = []
        for g, group in enumerate(groups):
            may, binds = "–", ""
            if table is not None and 0 <= (t := quarter_at(now) - table.steps.first) < table.steps.count:
                may = _kw(float(table.capacity_w[g, t]))
                binds = self._binding(int(table.bound_by[g, t]))
            step, reason = outcomes.get(g, ("", ""))
            drawn = drawn_w.get(group.group_id)
            said = f"{step}: {reason}" if step else ""
            rows.append((group.group_id, may, "–" if drawn is None else _kw(drawn), binds, said))
        return rows

    def _binding(self, bound_by: int) -> str:
        if bound_by == AWAY:
            return "its fallback: not connected"
        return self.network.elements[bound_by].element_id if bound_by >= 0 else "its contract"


def _kw(power_w: float) -> str:
    return "–" if np.isnan(power_w) else f"{power_w / 1000:.1f}"
