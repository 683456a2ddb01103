"""`ampacity import FOLDER`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, Config, with_store
from ampacity.app.progress import file_progress
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.intake import InputFolder, read_folder
from ampacity.operations.take_in import take_in
from ampacity.ports import Imported

Folder = Annotated[
    Path, typer.Argument(help="A folder with elements, groups, providers, measurements …", metavar="FOLDER")
]


def import_folder(folder: Folder, config: Config = None, as_json: AsJson = False) -> None:
    """Read a folder of grid, measurements and weather into the database; all of it or nothing."""
    with file_progress() as progress:
        given = read_folder(folder, progress=progress)

    async def work(store: Store, _settings: Settings) -> Imported:
        return await take_in(given, grid=store.grid, now=wall_clock())

    done = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(done).decode())  # noqa: T201
    else:
        print(describe(given, done))  # noqa: T201


def describe(given: InputFolder, done: Imported) -> str:
    """What an import changed, in words."""
    size = f"{len(given.network.elements)} elements, {len(given.network.groups)} groups"
    if done.is_nothing:
        return f"{size}: everything was there already"
    return (
        f"{size}: {done.records_added} records added, {done.records_changed} changed; "
        f"{done.values_added} values added, {done.values_corrected} corrected; "
        f"{done.weather_added} weather values added"
    )
