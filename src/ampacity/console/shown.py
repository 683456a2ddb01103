"""Numbers, times and states as people read them."""

import math
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from ampacity.network import Group, PowerUnit
from ampacity.operations.situation import State
from ampacity.timegrid import moment_of

NONE = "–"
STATES = {
    State.OVER: ("over", "■", "over limit"),
    State.TIGHT: ("tight", "▲", "tight"),
    State.UNKNOWN: ("unknown", "○", "unknown"),
    State.OK: ("ok", "●", "ok"),
}
KINDS = {
    "CONSUMPTION": "consumption", "GENERATION": "generation", "FALLBACK_CONSUMPTION": "fallback consumption",
    "FALLBACK_GENERATION": "fallback generation", "OPTIMUM": "optimum",
}  # fmt: skip


def kw(power_w: float | None, digits: int = 1) -> str:
    """21.9 kW; nothing known: a dash.

    >>> kw(21_900.0), kw(float("nan")), kw(-40.0)
    ('21.9 kW', '–', '0.0 kW')
    """
    bare = kw_bare(power_w, digits)
    return bare if bare == NONE else f"{bare} kW"


def kw_bare(power_w: float | None, digits: int = 1) -> str:
    """The number alone, for columns whose head names the unit."""
    if power_w is None or math.isnan(power_w):
        return NONE
    text = f"{power_w / 1000:.{digits}f}"
    return text.removeprefix("-").replace("-", "−") if float(text) == 0 else text.replace("-", "−")


def ampere(power_w: float, voltage_v: float) -> str:
    """The current of a power on one phase: 97 A."""
    return NONE if math.isnan(power_w) else f"{power_w / voltage_v:.0f} A".replace("-", "−")


def of_group(power_w: float | None, group: Group, voltage_v: float) -> str:
    """A group's total in the unit that it has: A per phase, W or kW."""
    if power_w is None or math.isnan(power_w):
        return NONE
    match group.unit:
        case PowerUnit.A:
            return f"{power_w / len(group.phases) / voltage_v:.1f} A"
        case PowerUnit.W:
            return f"{power_w:.0f} W"
        case PowerUnit.KW:
            return f"{power_w / 1000:.2f} kW"


def percent(share: float, digits: int = 0) -> str:
    """12 %."""
    return NONE if math.isnan(share) else f"{100 * share:.{digits}f} %".replace("-", "−")


def age(past: timedelta) -> str:
    """How long ago, in one unit.

    >>> age(timedelta(seconds=20)), age(timedelta(minutes=3)), age(timedelta(hours=50))
    ('20 s', '3 min', '2 d')
    """
    seconds = max(0.0, past.total_seconds())
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} d"


def quarters_old(quarters: int) -> str:
    """How old a measurement is whose quarter hour ended so many ago.

    >>> quarters_old(0), quarters_old(3), quarters_old(20)
    ('newest', '45 min old', '5 h old')
    """
    return "newest" if quarters <= 0 else f"{age(timedelta(minutes=15 * quarters))} old"


def local(moment: datetime, zone: ZoneInfo, now: datetime) -> Markup:
    """Local time, with the day where it is another one, and UTC to those who point at it."""
    here, today = moment.astimezone(zone), now.astimezone(zone).date()
    text = f"{here:%H:%M}" if here.date() == today else f"{here:%a %d %b %H:%M}"
    if here.date() != today and here.year != today.year:
        text = f"{here:%d %b %Y %H:%M}"
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(  # format escapes
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S"), text
    )


_UTC = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?: UTC|Z|\+00:00)")


def localised(text: object, zone: ZoneInfo, now: datetime) -> Markup:
    """A text in which every time in UTC is shown as people here read it.

    >>> localised("c1 is full at 2026-07-01 10:15 UTC", ZoneInfo("Europe/Paris"), datetime(2026, 7, 1, tzinfo=UTC))
    Markup('c1 is full at <time datetime="2026-07-01T10:15:00Z" title="2026-07-01 10:15:00 UTC">12:15</time>')
    """
    parts, at = [], 0
    words = str(text)
    for found in _UTC.finditer(words):
        moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        parts += [escape(words[at : found.start()]), local(moment, zone, now)]
        at = found.end()
    return Markup("").join([*parts, escape(words[at:])])


def detail(key: str, value: object, zone: ZoneInfo, now: datetime) -> Markup:
    """A fact of the log in plain words: power in kW, energy in kWh, times as people here read them.

    >>> detail("limit_w", 5700.0, ZoneInfo("UTC"), datetime(2026, 7, 1, tzinfo=UTC))
    Markup('<span class="muted">limit</span> 5.7 kW')
    """
    name, told = key, value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if key.endswith("_w"):
            name, told = key.removesuffix("_w"), kw(float(value))
        elif key.endswith("_wh"):
            name, told = key.removesuffix("_wh"), f"{kw_bare(float(value))} kWh"
    words = "" if told in ("", None) else localised(told, zone, now)
    return Markup('<span class="muted">{}</span> {}').format(name.replace("_", " "), words)


def quarter(number: int, zone: ZoneInfo, now: datetime) -> Markup | str:
    """The start of a quarter as `local`."""
    return NONE if number < 0 else local(moment_of(number), zone, now)


def state(value: State) -> Markup:
    """A state as shape, word and colour."""
    name, shape, word = STATES[value]
    return Markup('<span class="state {}"><span aria-hidden="true">{}</span> {}</span>').format(name, shape, word)


def kind(value: object) -> str:
    """A kind of forecast in plain words."""
    return KINDS.get(str(value), str(value))


def element_kind(value: str) -> str:
    return str(escape(value))
