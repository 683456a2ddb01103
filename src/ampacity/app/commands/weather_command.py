"""`ampacity weather`: take in the newest weather."""

from datetime import date
from typing import Annotated

import typer

from ampacity.app.commands.options import Config, with_store
from ampacity.app.weather_intake import take_weather


def weather(
    *,
    since: Annotated[
        str | None, typer.Option(help="Also what had been forecast a day before, from this date (YYYY-MM-DD) on.")
    ] = None,
    config: Config = None,
) -> None:
    """Fetch the weather forecast of the grid's places and take in the files of the drop folder."""
    day = date.fromisoformat(since) if since else None
    for line in with_store(config, lambda store, settings: take_weather(store, settings, day)):
        typer.echo(line)
