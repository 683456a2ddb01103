"""`ampacity forecast-quality`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.table import Table

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, with_store
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.operations.score_forecasts import forecast_quality, score_forecasts

Days = Annotated[int, typer.Option("--days", min=1, help="How many days back.")]


def quality(days: Days = 7, at: At = None, config: Config = None, as_json: AsJson = False) -> None:
    """How good the published forecasts were; those of which a day of loads has come are scored first."""
    moment = at or wall_clock()

    async def work(store: Store, settings: Settings) -> dict[str, object]:
        await score_forecasts(
            moment,
            grid=store.grid,
            cycles=store.cycles,
            quality=store.quality,
            forecast=settings.forecast.build(),
            cycle=settings.cycle,
        )
        return await forecast_quality(moment - timedelta(days=days), grid=store.grid, quality=store.quality)

    found = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(found).decode())  # noqa: T201
    else:
        show(found)


def show(found: Mapping[str, object]) -> None:
    """The figures for people."""
    console = plain_console()
    console.print(f"{found['cycles']} cycles scored")
    for title, name, first in (("by lead", "by_lead", ("lead",)), ("exceeded most", "worst", ("element_id", "phase"))):
        rows = cast("list[Mapping[str, Any]]", found[name])
        table = Table(title=title)
        for column in (*first, "error kW", "bias kW", "margin kW", "above %"):
            table.add_column(column, justify="left" if column in first else "right")
        for row in rows:
            kilowatts = [f"{row[f] / 1000:.2f}" for f in ("absolute_error_w", "error_w", "margin_w")]
            table.add_row(*(str(row[f]) for f in first), *kilowatts, f"{100 * row['above']:.2f}")
        console.print(table)
