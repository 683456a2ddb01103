"""The demonstration from begin to end."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from ampacity.app.beside import beside
from ampacity.app.clock import DataClock, wall_clock
from ampacity.app.commands.accounts_command import reception
from ampacity.app.demo.inputs import DemoInput
from ampacity.app.demo.meter import Meters
from ampacity.app.demo.once import Negotiation, Promises
from ampacity.app.demo.providers import ProviderProcess, provider_process
from ampacity.app.demo.table import LiveTable
from ampacity.app.peers_command import add_peer
from ampacity.app.secret import with_secret_key
from ampacity.app.server import build_server, started
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.errors import Unreachable
from ampacity.network import Network
from ampacity.operations.accounts import ready_made
from ampacity.operations.take_in import take_in
from ampacity.people import Role
from ampacity.ports import CycleRecord

PEOPLE = (("operator", Role.OPERATOR), ("second-operator", Role.OPERATOR), ("viewer", Role.VIEWER))
FIRST_CYCLE_WITHIN_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demonstration on a store."""

    chosen: DemoInput
    store: Store
    settings: Settings
    clock: DataClock
    console: Console

    async def once(self) -> None:
        """One full cycle with both outcomes of a request.

        Raises:
            Unreachable: something that is promised did not happen.
        """
        async with self._running(asks=False) as (record, providers):
            network = await self.store.grid.network()
            promises = Promises(store=self.store, network=network, providers=providers)
            await promises.sessions()
            forecasts = await promises.forecasts()
            await promises.measurements()
            negotiations = await promises.negotiations(record)
            self._summary(network, record, forecasts, negotiations)

    async def live(self) -> None:
        """Until it is stopped."""
        async with self._running(asks=True) as (_, providers):
            network = await self.store.grid.network()
            table = LiveTable(store=self.store, network=network, providers=providers, clock=self.clock)
            await table.run(self.console)

    @asynccontextmanager
    async def _running(self, *, asks: bool) -> AsyncIterator[tuple[CycleRecord, Sequence[ProviderProcess]]]:
        """Import, serve, let the providers in; gives the first cycle."""
        done = await take_in(self.chosen.known, grid=self.store.grid, now=wall_clock())
        self.console.print(
            f"{self.chosen.name}: {len(self.chosen.given.network.elements)} elements, "
            f"{len(self.chosen.given.network.groups)} groups, {done.values_added} values imported"
        )
        first: asyncio.Future[CycleRecord] = asyncio.get_running_loop().create_future()
        door = reception(self.store, self.settings)
        people = [(await ready_made(door, name, role)).name for name, role in PEOPLE]
        server = build_server(
            self.store,
            self.settings,
            self.clock,
            on_cycle=lambda r: None if first.done() else first.set_result(r),
            demo_accounts=people,
        )
        meters = Meters(given=self.chosen.given, store=self.store, clock=self.clock)
        async with started(server), beside(meters.run()), AsyncExitStack() as stack:
            base_url = self.settings.server.base_url()
            self.console.print(f"the operators' console: {base_url}/console/")
            self.console.print(f"serving on {base_url}; data time starts at {self.clock():%Y-%m-%d %H:%M} UTC")
            providers = [await stack.enter_async_context(p) for p in await self._providers(asks=asks)]
            record = await self._first(first, providers)
            yield record, providers

    async def _providers(self, *, asks: bool) -> list[Any]:
        network = self.chosen.given.network
        oscp = with_secret_key(self.settings, os.environ)
        found = []
        for provider in network.providers:
            groups = [g.group_id for g in network.groups if g.provider_id == provider.provider_id]
            if groups:
                invitation = await add_peer(
                    self.store.pool, oscp, provider_id=provider.provider_id, public_url=self.settings.server.base_url()
                )
                found.append(provider_process(invitation, groups, at=self.clock(), speed=self.clock.speed, asks=asks))
        return found

    async def _first(self, first: "asyncio.Future[CycleRecord]", providers: Sequence[ProviderProcess]) -> CycleRecord:
        end = asyncio.get_running_loop().time() + FIRST_CYCLE_WITHIN_S
        while not first.done():
            for provider in providers:
                provider.check()
            if asyncio.get_running_loop().time() > end:
                raise Unreachable(f"the first cycle was not decided within {FIRST_CYCLE_WITHIN_S:.0f} s")
            await asyncio.wait([first], timeout=0.1)
        return first.result()

    def _summary(
        self, network: Network, record: CycleRecord, forecasts: int, negotiations: Sequence[Negotiation]
    ) -> None:
        say = self.console.print
        say(f"cycle of {record.slot:%Y-%m-%d %H:%M} UTC: decision {record.decision_id}, "
            f"{float(str(record.summary['allocated_w'])) / 1000:.1f} kW may be used now")  # fmt: skip
        say(f"{len({g.provider_id for g in network.groups})} providers registered, shook hands and beat; "
            f"{forecasts} forecasts of {len(network.groups)} groups delivered, all five kinds; "
            "measurements taken")  # fmt: skip
        for negotiation in negotiations:
            say(f"  {negotiation}")
        say("everything promised happened")
