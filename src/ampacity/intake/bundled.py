"""The districts that come with the project, in the folder `data` beside the source."""

from pathlib import Path

from ampacity.errors import NotFound

DEMO_DISTRICT = "simbench-urban6"


def bundled_folder(name: str = DEMO_DISTRICT, *, package: Path = Path(__file__).parents[1]) -> Path:
    """Where an input folder of the project lies: `data/NAME` of the clone from which the package was installed.

    Raises:
        NotFound: the package was installed without its clone, or the clone has no such folder.
    """
    folder = package.parents[1] / "data" / name
    if not folder.is_dir():
        raise NotFound(
            f"the district {name} is not at {folder}: it comes with a clone of the project "
            "installed by pip install -e, not with the package; name another folder"
        )
    return folder
