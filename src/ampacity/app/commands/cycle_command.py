"""`ampacity cycle`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec
from rich.table import Table

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, EngineAddress, with_store
from ampacity.app.engine import LOCAL
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.operations.cycle import run_cycle
from ampacity.ports import CycleRecord


def cycle(at: At = None, engine: EngineAddress = LOCAL, config: Config = None, as_json: AsJson = False) -> None:
    """Decide one quarter hour: forecast, headroom, shares, messages.  A decided one is shown again, not made anew."""
    record = with_store(config, lambda store, settings: decide(store, settings, at or wall_clock()), engine=engine)
    if as_json:
        print(msgspec.json.encode(as_dict(record)).decode())  # noqa: T201
    else:
        show(record)


async def decide(store: Store, settings: Settings, at: datetime) -> CycleRecord:
    """One cycle with the settings."""
    return await run_cycle(at, ports=store.cycle_ports, forecast=settings.forecast.build(), cycle=settings.cycle)


def as_dict(record: CycleRecord) -> dict[str, object]:
    """A decided cycle for programs."""
    return {
        "slot": record.slot,
        "decision_id": record.decision_id,
        **record.summary,
        "stages": {name: round(s, 4) for name, s in record.stages.items()},
    }


def show(record: CycleRecord) -> None:
    """A decided cycle for people."""
    console = plain_console()
    s = cast("Mapping[str, Any]", record.summary)
    console.print(f"cycle {record.slot:%Y-%m-%d %H:%M} UTC, decision {record.decision_id}")
    console.print(f"{s['elements']} elements, {s['groups']} groups; weather: {s['weather']}")
    if s.get("weather_free_quarters"):
        console.print(f"forecast without weather: {s['weather_free_quarters']} quarter hours of phases")
    console.print(f"forecasts of phases by source: {_counts(s['sources'])}; values left out: {_counts(s['marks'])}")
    console.print(
        f"may be used now: {s['allocated_w'] / 1000:.1f} kW; messages written: {s['messages']} ({_counts(s['sent'])}), "
        f"held back: {sum(s.get('held_back', {}).values())}"
    )
    if s["away"]["groups"]:
        names = ", ".join(s["away"]["providers"])
        console.print(f"planned with their fallback, not being connected: {s['away']['groups']} groups ({names})")
    table = Table(title="tightest quarter hours")
    for column in ("element", "phase", "start (UTC)", "headroom kW", "limit kW"):
        table.add_column(column, justify="right" if "kW" in column else "left")
    for t in s["tightest"]:
        room, limit = f"{t['headroom_w'] / 1000:.2f}", f"{t['limit_w'] / 1000:.2f}"
        table.add_row(t["element_id"], str(t["phase"]), t["start"][:16].replace("T", " "), room, limit)
    console.print(table)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "none"
