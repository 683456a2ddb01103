"""A whole folder at once: everything that is wrong with it, or everything that is in it."""

from pathlib import Path

from ampacity.errors import NotFound
from ampacity.intake.faults import FaultList
from ampacity.intake.grid import read_grid
from ampacity.intake.series import Owners, read_series
from ampacity.intake.source import Progress
from ampacity.intake.types import InputFolder
from ampacity.intake.weather import read_weather
from ampacity.network import Network


def read_folder(path: Path, *, progress: Progress | None = None) -> InputFolder:
    """Read a folder of `elements`, `groups`, `providers`, `measurements` and, where there are any,
    `group_measurements` and `weather`, each as .csv, .csv.gz or .parquet.

    Args:
        progress: Called with a file's name, how much of it has been read, and its size.

    Raises:
        NotFound: there is no such folder.
        Unsuitable: lists every fault with file, line, column and reason (of more than 100 in a file their number).
    """
    if not path.is_dir():
        raise NotFound(f"{path} is no folder")
    faults = FaultList()
    grid = read_grid(path, faults)
    of_elements = Owners(
        table="measurements",
        id_column="element_id",
        ids=[e.element_id for e in grid.elements or ()],
        phases=[e.phases for e in grid.elements or ()],
        are_known=grid.elements is not None,
    )
    of_groups = Owners(
        table="group_measurements",
        id_column="group_id",
        ids=[g.group_id for g in grid.groups or ()],
        phases=[g.phases for g in grid.groups or ()],
        are_known=grid.groups is not None,
    )
    measurements = read_series(path, of_elements, faults, progress, optional=False)
    group_measurements = read_series(path, of_groups, faults, progress, optional=True)
    weather = read_weather(path, faults, progress)
    faults.raise_if_any()
    return InputFolder(
        network=Network.of(grid.elements or (), grid.groups or (), grid.providers or ()),
        measurements=measurements,
        group_measurements=group_measurements,
        weather=weather,
    )
