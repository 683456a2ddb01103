"""One full cycle of the demonstration, with every promise checked."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.app.demo.providers import ProviderProcess
from ampacity.app.session import Store
from ampacity.errors import Unreachable
from ampacity.network import Direction, ForecastKind, Network
from ampacity.ports import CycleRecord
from ampacity.timegrid import moment_of, quarter_at

WITHIN_S = 90.0
AHEAD = 8  # quarters from now on in which nothing is asked for: time goes on meanwhile
WINDOW = 4  # quarters that are asked for
LEAST_W = 100.0
MOST_TRIES = 4


@dataclass(frozen=True, kw_only=True)
class Negotiation:
    """What was asked for and what became of it."""

    group_id: str
    wanted_w: float
    step: str
    reason: str

    def __str__(self) -> str:
        return f"{self.group_id} asks for {self.wanted_w / 1000:.1f} kW: {self.step} ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class Promises:
    """Checks what the demonstration promises, each within a time."""

    store: Store
    network: Network
    providers: Sequence[ProviderProcess]

    async def sessions(self) -> None:
        """Every provider connects, hears our heartbeat and is heard."""
        await self._until(lambda: all(p.heard["handshake"] for p in self.providers), "not every provider was connected")
        await self._until(
            lambda: all(p.heard["heartbeat"] and p.sent["heartbeat"] for p in self.providers),
            "heartbeats did not go both ways",
        )

    async def forecasts(self) -> int:
        """Every group gets all five kinds; gives how many forecasts were taken."""
        wanted = {(p.provider_id, g, k.value) for p in self.providers for g in p.groups for k in ForecastKind}

        def missing() -> set[tuple[str, str, str]]:
            return wanted - {(p.provider_id, *key) for p in self.providers for key in p.forecasts}

        await self._until(lambda: not missing(), lambda: f"these forecasts did not arrive: {sorted(missing())[:5]}")
        return sum(p.forecasts.total() for p in self.providers)

    async def measurements(self) -> None:
        """Every provider reports what its groups draw."""
        await self._until(
            lambda: all(p.sent["update_group_measurements"] >= len(p.groups) for p in self.providers),
            "measurements were not taken",
        )

    async def negotiations(self, record: CycleRecord) -> list[Negotiation]:
        """One gives back, another (or the same) asks for it, and one asks for more than there is."""
        plan = await self._plan(record)
        done = [await self._ask(plan.giver, plan.held_w - plan.amount_w, plan, {"returned"})]
        done.append(await self._ask(plan.taker, plan.taker_held_w + plan.amount_w, plan, {"granted"}))
        for i in range(MOST_TRIES):  # what is left may be granted first; the same request again would count as repeated
            too_much_w = (3 + i) * plan.contract_w
            done.append(await self._ask(plan.taker, too_much_w, plan, {"granted", "partly", "refused"}))
            if done[-1].step == "refused":
                return done
        raise Unreachable(f"a request for more than there is was not refused: {done[-1]}")

    async def _plan(self, record: CycleRecord) -> "_Plan":
        tables = await self.store.cycles.newest_capacities(len(self.network.groups), record.made_at)
        table = tables[ForecastKind.CONSUMPTION]
        first = quarter_at(record.slot) + AHEAD - table.steps.first
        capacity_w = table.capacity_w[:, first:]
        contract_w = self.network.contracted_w(Direction.IMPORT)
        least_w = np.lib.stride_tricks.sliding_window_view(capacity_w, WINDOW, axis=1).min(axis=2)  # (G, windows)
        if least_w.max() < 2 * LEAST_W:
            raise Unreachable("no group may use anything in the coming hours: there is nothing to negotiate about")
        giver, start = (int(i) for i in np.unravel_index(int(np.argmax(least_w)), least_w.shape))
        window = slice(start, start + WINDOW)
        amount_w = float(np.floor(least_w[giver, start] / 2))
        taker = self._neighbour(giver, contract_w, capacity_w[:, window].max(axis=1))
        if taker != giver:
            amount_w = float(np.floor(min(amount_w, contract_w[taker] - capacity_w[taker, window].max())))
        held_w = np.ceil(capacity_w[:, window].min(axis=1))
        taken_w = held_w[giver] - amount_w if taker == giver else float(capacity_w[taker, window].max())
        return _Plan(
            giver=giver,
            taker=taker,
            held_w=float(held_w[giver]),
            taker_held_w=float(np.floor(taken_w)),
            amount_w=amount_w,
            contract_w=float(contract_w[taker]),
            first_quarter=table.steps.first + first + start,
        )

    def _neighbour(self, giver: int, contract_w: np.ndarray, held_w: np.ndarray) -> int:
        """Another provider's group behind the same element and phases that may have more; else the giver itself."""
        mine = self.network.groups[giver]
        for g, other in enumerate(self.network.groups):
            is_beside = other.element_id == mine.element_id and other.phases == mine.phases
            if g != giver and is_beside and contract_w[g] - held_w[g] >= LEAST_W:
                return g
        return giver

    async def _ask(self, group: int, wanted_w: float, plan: "_Plan", expected: set[str]) -> Negotiation:
        group_id = self.network.groups[group].group_id
        provider = next(p for p in self.providers if group_id in p.groups)
        provider.ask(group_id, wanted_w, start=moment_of(plan.first_quarter), quarters=WINDOW)
        await self._until(lambda: group_id in provider.asked, f"the request of {group_id} was not sent")
        request_id = provider.asked[group_id]
        await self._until(lambda: request_id in provider.answered, f"the request of {group_id} was not answered")
        step, reason = await self.store.requests.outcome_of(request_id)
        done = Negotiation(group_id=group_id, wanted_w=wanted_w, step=step, reason=reason)
        if step not in expected:
            at = moment_of(plan.first_quarter)
            raise Unreachable(f"expected {' or '.join(sorted(expected))} from {at:%H:%M} UTC: {done}")
        return done

    async def _until(self, holds: Callable[[], bool], otherwise: str | Callable[[], str]) -> None:
        end = asyncio.get_running_loop().time() + WITHIN_S
        while not holds():
            for provider in self.providers:
                provider.check()
            if asyncio.get_running_loop().time() > end:
                why = otherwise if isinstance(otherwise, str) else otherwise()
                raise Unreachable(f"within {WITHIN_S:.0f} s {why}")
            await asyncio.sleep(0.05)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    giver: int
    taker: int
    held_w: float
    taker_held_w: float
    amount_w: float
    contract_w: float
    first_quarter: int
