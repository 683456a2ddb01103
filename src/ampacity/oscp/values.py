"""Times, numbers and phases on the wire, pure.

Outgoing times are UTC with `Z` and none or three fraction digits: some peers take nothing else.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ampacity.errors import Unsuitable
from ampacity.oscp.profiles import PeerProfile
from ampacity.oscp.wire import Number, Phase

PHASE_NAMES: tuple[Phase, ...] = ("ALL", "ONE", "TWO", "THREE")
PHASE_NUMBERS = {"ALL": 0, "UNKNOWN": 0, "ONE": 1, "TWO": 2, "THREE": 3}
LARGEST = 1e12  # no value on the wire is larger: sums stay finite

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:[.,](\d{1,12}))?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


def time_text(moment: datetime, *, milliseconds: bool = False) -> str:
    """A moment as it goes out.

    >>> time_text(datetime(2026, 11, 21, 0, 48, 58, 123456, tzinfo=UTC), milliseconds=True)
    '2026-11-21T00:48:58.123Z'
    """
    utc = moment.astimezone(UTC)
    fraction = f".{utc.microsecond // 1000:03d}" if milliseconds else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def text_from(text: str) -> str:
    """What a peer wrote, as a text that can be stored: PostgreSQL's has no character 0."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def moment_from(text: str, profile: PeerProfile, place: str) -> datetime:
    """An aware moment from what a peer wrote; without a zone it is in the zone of its profile.

    Raises:
        Unsuitable: no date-time, or one without a zone from a peer whose profile names none.
    """
    if (
        len(text) == 20 and text[19] == "Z" and text[4] == text[7] == "-"
    ):  # what most peers write, at a tenth of the cost
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        raise Unsuitable(f"{place}: {text!r} is not a date-time")
    day, minutes, second, fraction, offset = found.groups()
    leap = second == "60"  # RFC 3339 has leap seconds, Python has not
    micros = ((fraction or "") + "000000")[:6]
    zone = _offset_text(offset) if offset else ""
    try:
        moment = datetime.fromisoformat(f"{day}T{minutes}:{'59' if leap else second}.{micros}{zone}")
        if moment.tzinfo is None:
            if profile.zone is None:
                raise Unsuitable(f"{place}: {text!r} has no time zone")
            moment = moment.replace(tzinfo=ZoneInfo(profile.zone))
        return moment.astimezone(UTC) + timedelta(seconds=1 if leap else 0)
    except (ValueError, OverflowError) as wrong:
        raise Unsuitable(f"{place}: {text!r} is not a date-time") from wrong


def _offset_text(offset: str) -> str:
    if offset in "Zz":
        return "+00:00"
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def number_from(value: Number, profile: PeerProfile, place: str) -> float:
    """A finite number; one in quotes only from a peer whose profile says that it writes so.

    Raises:
        Unsuitable: it is none, or beyond any power or energy there is.
    """
    if isinstance(value, str):
        if not profile.numbers_as_strings:
            raise Unsuitable(f"{place}: {value!r} is a string, not a number")
        try:
            value = float(value)
        except ValueError as wrong:
            raise Unsuitable(f"{place}: {value!r} is not a number") from wrong
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise Unsuitable(f"{place}: {value} is beyond {LARGEST:g}")
    return value
