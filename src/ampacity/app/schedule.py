"""What a server does by itself: a cycle at each quarter hour, a decision as soon as somebody asks."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from ampacity.app.beside import set_or_after
from ampacity.app.clock import DataClock, sleep_until
from ampacity.app.memory import give_back
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.errors import AmpacityError, Conflict, NotReady
from ampacity.operations.adjust import decide_round
from ampacity.operations.cycle import run_cycle
from ampacity.operations.entitled import KeptEntitlements
from ampacity.operations.kept_trees import KeptTrees
from ampacity.operations.learn import learn
from ampacity.operations.prepare_bases import prepare_bases
from ampacity.operations.prepare_decisions import prepare_decisions
from ampacity.operations.score_forecasts import score_forecasts
from ampacity.ports import CycleRecord
from ampacity.timegrid import QUARTER, floor_quarter

_LOG = logging.getLogger(__name__)
_TRY_AGAIN_S = 1.0
_GATHER_S, _ROUND_S = 0.1, 0.4  # requests gather between rounds of decisions; a long round lets them gather itself
_FOLLOW_EVERY_S = 2.0  # what becomes of decided requests is told that late, where there are few
_FOLLOW_REST = 9.0  # times as long as the work took: at most a tenth of one core


def _gathering_s(round_s: float) -> float:
    """How long requests gather after a round: as long as it took, less where they did meanwhile."""
    return max(0.0, min(max(_GATHER_S, round_s), _ROUND_S - round_s))


def log_cycle(record: CycleRecord) -> None:
    """Tell of a decided cycle in the log."""
    _LOG.info(
        "cycle %s: decision %d, %s messages, %.1f s",
        f"{record.slot:%Y-%m-%d %H:%M}", record.decision_id, record.summary["messages"], sum(record.stages.values()),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Runs cycles and decisions on a clock; `wake_sender` is called when there is something to send."""

    store: Store
    settings: Settings
    clock: DataClock
    wake_sender: Callable[[], None]
    on_cycle: Callable[[CycleRecord], None] = lambda _: None
    learning_due: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # set when somebody asks
    entitled: KeptEntitlements = field(default_factory=KeptEntitlements)  # by what was decided last
    trees: KeptTrees = field(default_factory=KeptTrees)

    async def run_cycles(self) -> None:
        """One cycle for the current quarter hour at once, then one at the start of each; missed ones are left out."""
        while True:
            slot = floor_quarter(self.clock())
            record = await self._cycle(slot)
            if record is not None:
                self.on_cycle(record)
                self.wake_sender()
                self.learning_due.set()
            give_back()
            await sleep_until(slot + QUARTER, self.clock)

    async def run_learning(self) -> None:
        """After each cycle prepare the next hours' bases, and let models learn that are due; it holds up no cycle."""
        while True:
            await self.learning_due.wait()
            self.learning_due.clear()
            try:
                await prepare_bases(
                    floor_quarter(self.clock()),
                    grid=self.store.grid,
                    cycles=self.store.cycles,
                    forecast=self.settings.forecast.build(),
                    cycle=self.settings.cycle,
                    bases=self.store.cycle_ports.bases,
                    engine=self.store.cycle_ports.engine,
                )
                await learn(
                    floor_quarter(self.clock()),
                    grid=self.store.grid,
                    cycles=self.store.cycles,
                    forecast=self.settings.forecast.build(),
                    cycle=self.settings.cycle,
                    engine=self.store.cycle_ports.engine,
                )
                await score_forecasts(
                    floor_quarter(self.clock()),
                    grid=self.store.grid,
                    cycles=self.store.cycles,
                    quality=self.store.quality,
                    forecast=self.settings.forecast.build(),
                    cycle=self.settings.cycle,
                )
            except Exception:  # noqa: BLE001
                # A supervisor: the models stay as they are until the next cycle.
                _LOG.exception("learning failed")

    async def prepare_decisions(self) -> None:
        """Read beforehand what decisions rest on; where that fails they read it themselves."""
        try:
            await prepare_decisions(
                self.clock(), grid=self.store.grid, requests=self.store.requests, entitled=self.entitled,
                trees=self.trees,
            )  # fmt: skip
        except Exception:  # noqa: BLE001
            # A supervisor: a server starts nevertheless.
            _LOG.exception("decisions on requests were not prepared")

    async def run_decisions(self) -> None:
        """Decide on requests: when somebody asks here, and now and then for those who asked another server.

        A request that comes alone is decided at once; where they come one after the other they gather meanwhile.
        """
        while True:
            self.asked.clear()
            begun, decided = time.monotonic(), 0
            try:
                decided = await self._decide_requests()
            except AmpacityError as told:
                _LOG.warning("%s", told)
            except Exception:  # noqa: BLE001
                # A supervisor: the database restarts, say; what waits is decided at the next look.
                _LOG.exception("deciding on requests failed")
            if decided:
                await asyncio.sleep(_gathering_s(time.monotonic() - begun))
                continue
            await set_or_after(self.asked, _TRY_AGAIN_S)

    async def run_following(self) -> None:
        """Note now and then what has become of decided requests; it holds up no decision."""
        while True:
            begun = time.monotonic()
            try:
                await self.store.requests.follow(self.clock())
            except Exception:  # noqa: BLE001
                # A supervisor: the database restarts, say; what was missed is noted at the next look.
                _LOG.exception("what becomes of requests was not noted")
            await asyncio.sleep(max(_FOLLOW_EVERY_S, _FOLLOW_REST * (time.monotonic() - begun)))

    async def _decide_requests(self) -> int:
        rules = self.settings.negotiation
        if self.clock.speed > 1:  # what waits by the wall's clock waits no longer by that of the data
            rules = msgspec.structs.replace(rules, recall_wait_s=rules.recall_wait_s / self.clock.speed)
        return await decide_round(
            self.clock(), grid=self.store.grid, requests=self.store.requests, rules=rules, tell=self.wake_sender,
            entitled=self.entitled, trees=self.trees,
        )  # fmt: skip

    async def _cycle(self, slot: datetime) -> CycleRecord | None:
        """Decide a slot, or see that another server does; None: its time ran out."""
        while self.clock() < slot + QUARTER:
            try:
                return await run_cycle(
                    slot,
                    ports=self.store.cycle_ports,
                    forecast=self.settings.forecast.build(),
                    cycle=self.settings.cycle,
                )
            except (NotReady, Conflict) as later:
                _LOG.info("%s", later)
            except Exception:  # noqa: BLE001
                # A supervisor: whatever went wrong, the cycle is tried again until its time is over.
                _LOG.exception("the cycle of %s failed", slot.isoformat())
            await asyncio.sleep(_TRY_AGAIN_S)
        _LOG.error("the cycle of %s was missed", slot.isoformat())
        return None
