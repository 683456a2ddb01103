"""`ampacity database`: what is stored, how it grows, and dropping what is old."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ampacity.app.archive import ParquetArchive
from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, settings_of, with_store
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.app.settings import KeepingSettings, Settings
from ampacity.store.keeping import Pruned, Sizes, prune, sizes

commands = typer.Typer(help="What is stored, how it grows, and dropping what is old.")


@commands.callback(invoke_without_command=True)
def show(context: typer.Context, config: Config = None, as_json: AsJson = False) -> None:
    """Sizes by table, growth a day by the last day's own figures, and what a year takes."""
    if context.invoked_subcommand is not None:
        return
    settings = settings_of(config)
    found = with_store(config, _sizes)
    if as_json:
        print(msgspec.json.encode(found).decode())  # noqa: T201
    else:
        _show(found, settings.keeping)


@commands.command("prune")
def prune_old(
    at: At = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Keep what is dropped as Parquet files in this folder.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Drop what is older than the section `keeping` of the settings says."""
    now = at or wall_clock()

    async def work(store: Store, settings: Settings) -> Pruned:
        keeping = settings.keeping
        return await prune(
            store.pool,
            decisions=now - timedelta(days=keeping.decisions_days),
            messages=wall_clock() - timedelta(days=keeping.messages_days),
            series=now - timedelta(days=keeping.series_days),
            archive=None if export is None else ParquetArchive(folder=export),
        )

    done = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(done).decode())  # noqa: T201
        return
    print(  # noqa: T201
        f"dropped: the figures of {done.decisions} decisions, {done.messages} messages, {done.models} models, "
        f"{done.series_blocks} blocks of measurements"
    )


async def _sizes(store: Store, _: Settings) -> Sizes:
    return await sizes(store.pool)


def _show(found: Sizes, keeping: KeepingSettings) -> None:
    table = Table("table", "MiB", "rows, about", "MiB a day", "partitions", title="the database")
    for row in found.tables:
        if row.mib >= 1 or row.name in found.mib_a_day:
            growth = found.mib_a_day.get(row.name)
            a_day = "" if growth is None else f"{growth:.1f}"
            table.add_row(row.name, f"{row.mib:.0f}", f"{row.about_rows}", a_day, f"{row.partitions or ''}")
    console = plain_console()
    console.print(table)
    console.print(f"in all {sum(row.mib for row in found.tables):.0f} MiB")
    if found.mib_a_day:
        year = sum(mib * _days(name, keeping) for name, mib in found.mib_a_day.items())
        console.print(f"a year from now, pruned as the settings say: about {year / 1024:.1f} GiB")


def _days(table: str, keeping: KeepingSettings) -> float:
    """How many days of a table's growth there are after a year."""
    kept = {"load_block": keeping.series_days, "outbound_forecast": keeping.messages_days}
    return min(365.0, kept.get(table, keeping.decisions_days))
