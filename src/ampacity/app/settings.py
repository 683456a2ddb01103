"""Settings: a TOML file, `AMPACITY_<SECTION>_<NAME>` variables over it, `DATABASE_URL` for the database.

Every wrong or unknown setting is an error that names it; all of them at once.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec

from ampacity.app.gateway.settings import GatewaySettings
from ampacity.console.settings import ConsoleSettings
from ampacity.errors import Unsuitable
from ampacity.forecasting import ForecastSettings
from ampacity.operations.settings import CycleSettings, NegotiationSettings
from ampacity.oscp.settings import OscpSettings
from ampacity.weather import OpenMeteoSettings

PREFIX = "AMPACITY_"
DEFAULT_FILE = "ampacity.toml"


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the data are kept."""

    url: str = ""
    """A PostgreSQL server, `postgresql://…`; empty: the embedded one.  `DATABASE_URL` overrules it."""
    folder: str = ""
    """Where the embedded server keeps its data; empty: the user's data folder, as root /var/lib/ampacity."""


class KeepingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `ampacity database prune` leaves."""

    decisions_days: int = 90
    """Forecasts, headroom and capacities of so many days, dropped by whole weeks; a decision is replayed from them."""
    messages_days: int = 30
    """Messages that were sent or superseded, for so many days."""
    series_days: int = 400
    """Measurements of so many days, dropped by whole months; a fit reads the last ones."""

    def __post_init__(self) -> None:
        least = {"decisions_days": 10, "messages_days": 2, "series_days": 70}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} is {getattr(self, name)}, must be {smallest} or more")


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How peers and operators reach us."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8470
    """Port to listen on."""
    public_url: str = ""
    """Under which peers reach us, without a path; empty: http://HOST:PORT."""
    head_timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """How long the request line and headers of a request may take to come in."""
    apart: bool = True
    """Cycles, decisions, answers and other messages have processes of their own, so that none waits for another."""

    def base_url(self) -> str:
        """The public address without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


class ForecastSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the load is forecast."""

    zone: str = "Europe/Amsterdam"
    """Time zone of the people whose load it is."""
    country: str = "NL"
    """Whose public holidays count (ISO 3166 alpha-2); empty: none."""
    risk: float = 0.01
    """Share of quarter hours in which the load may exceed the forecast's upper quantile."""

    def build(self) -> ForecastSettings:
        return ForecastSettings(zone=ZoneInfo(self.zone), country=self.country or None, risk=self.risk)


class WeatherSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where weather comes from."""

    source: Literal["", "open-meteo"] = ""
    """A service to fetch forecasts from; empty: none."""
    drop_folder: str = ""
    """A folder into which files of weather are put; empty: none."""
    every_min: float = 60.0
    """How often `ampacity serve` takes weather in from there [min]."""

    def __post_init__(self) -> None:
        if self.every_min <= 0:
            raise ValueError(f"every_min is {self.every_min}, must be above 0")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings by section."""

    database: DatabaseSettings = DatabaseSettings()
    keeping: KeepingSettings = KeepingSettings()
    gateway: GatewaySettings = GatewaySettings()
    server: ServerSettings = ServerSettings()
    forecast: ForecastSection = ForecastSection()
    cycle: CycleSettings = CycleSettings()
    negotiation: NegotiationSettings = NegotiationSettings()
    oscp: OscpSettings = OscpSettings()
    console: ConsoleSettings = ConsoleSettings()
    weather: WeatherSection = WeatherSection()
    open_meteo: OpenMeteoSettings = OpenMeteoSettings()


def load_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file (by default `ampacity.toml` where there is one), then the variables.

    Raises:
        Unsuitable: the file is missing or no TOML, a setting is unknown, or a value is wrong.
    """
    given = _read(file)
    faults: list[str] = []
    sections = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    faults += [f"settings: section [{name}] is unknown" for name in given if name not in sections]
    values: dict[str, dict[str, Any]] = {name: dict(given.get(name, {})) for name in sections}
    faults += _lay_over(values, sections, environment)
    built = {}
    for name, section in sections.items():
        try:
            built[name] = msgspec.convert(values[name], section, strict=False)
            _check(built[name])
        except (msgspec.ValidationError, ValueError, KeyError) as wrong:
            faults.append(f"settings [{name}]: {wrong}")
    if faults:
        raise Unsuitable(faults)
    return Settings(**built)


def database_folder(settings: DatabaseSettings, environment: Mapping[str, str]) -> Path:
    """Where the embedded server keeps its data."""
    if settings.folder:
        return Path(settings.folder).expanduser()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/ampacity")  # as root the server runs under another account, which cannot enter /root
    home = environment.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "ampacity"


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        file = Path(DEFAULT_FILE)
        if not file.is_file():
            return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as missing:
        raise Unsuitable(f"settings: {file} cannot be read: {missing.strerror}") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise Unsuitable(f"settings: {file} is no TOML: {wrong}") from wrong


def _lay_over(
    values: dict[str, dict[str, Any]], sections: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[str]:
    """Put the variables over the file's values; gives the faults."""
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        section, _, name = variable.removeprefix(PREFIX).lower().partition("_")
        fields = {f.name: f.type for f in msgspec.structs.fields(sections[section])} if section in sections else {}
        if name not in fields:
            yield f"settings: {variable} is unknown"
        else:
            values[section][name] = _split(text) if _is_list(fields[name]) else text
    if url := environment.get("DATABASE_URL"):
        values["database"]["url"] = url


def _is_list(kind: Any) -> bool:
    return get_origin(kind) in {list, tuple} or any(get_origin(k) in {list, tuple} for k in get_args(kind))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _check(section: object) -> None:
    """What a type alone cannot say."""
    if isinstance(section, ForecastSection):
        section.build()
