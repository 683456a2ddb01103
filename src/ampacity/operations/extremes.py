"""The worst loads of eight weeks, kept from day to day: a day's fallbacks rest on them and on what came since."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ampacity.forecasting import LoadHistory, WeeklyExtremes, dump_extremes, load_extremes, weekly_extremes
from ampacity.operations.forecast_plan import Plan
from ampacity.ports import CycleStore, KeptExtremes
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, quarter_at

USABLE = timedelta(days=2)  # older ones are not: all is read again
LATE_QUARTERS = QUARTERS_PER_DAY  # read again of what was known by then: values that came so late count too


@dataclass(frozen=True, kw_only=True)
class DayExtremes:
    """What is kept for the fallbacks of a run; nothing where it decides none."""

    plan: Plan
    cycles: CycleStore
    kept: Mapping[int, KeptExtremes]

    @classmethod
    async def of(cls, plan: Plan, cycles: CycleStore) -> "DayExtremes":
        """See which there are."""
        return cls(
            plan=plan, cycles=cycles, kept=await cycles.extremes.newest(plan.made_at) if plan.with_fallback else {}
        )

    def read_from(self, block: range) -> int | None:
        """The quarter from which on loads have to be read beside a block's extremes; none where it has no usable ones.

        A whole hour.
        """
        kept = self.kept.get(block.start)
        if kept is None or kept.elements != len(block) or self.plan.made_at - kept.made_at > USABLE:
            return None
        known = quarter_at(kept.made_at - timedelta(minutes=self.plan.cycle.measurement_delay_min))
        return (known - LATE_QUARTERS) // QUARTERS_PER_HOUR * QUARTERS_PER_HOUR

    async def packed(self, block: range) -> bytes | None:
        """The extremes of a block, if there are usable ones."""
        if self.read_from(block) is None:
            return None
        return await self.cycles.extremes.packed(block.start, self.kept[block.start].made_at)


def packed_extremes(plan: Plan, history: LoadHistory) -> bytes:
    """What loads have been at most, to be kept."""
    return dump_extremes(weekly_extremes(history, plan.forecast))


def extremes_with(packed: bytes | None, plan: Plan, history: LoadHistory) -> WeeklyExtremes:
    """What loads have been at most, by those kept and by the history since."""
    found = weekly_extremes(history, plan.forecast)
    return found if packed is None else found.widened(load_extremes(packed))
