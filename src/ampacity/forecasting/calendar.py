"""Public holidays and the classes of days they make."""

from zoneinfo import ZoneInfo

import holidays
import numpy as np

from ampacity.forecasting.types import Bools, Ints
from ampacity.timegrid import LocalCalendar, Window, date_of, local_calendar

WORKING, SATURDAY, SUNDAY = 0, 1, 2


def is_holiday(day: Ints, country: str | None) -> Bools:
    """Which local days (days since 1970-01-01) are public holidays of a country (ISO 3166 code)."""
    days, where = np.unique(day, return_inverse=True)
    if country is None or days.size == 0:
        return np.zeros(day.shape, bool)
    years = range(date_of(int(days[0])).year, date_of(int(days[-1])).year + 1)
    known = holidays.country_holidays(country, years=years)
    found: Bools = np.array([date_of(int(d)) in known for d in days])[where]
    return found


def day_class(calendar: LocalCalendar, holiday: Bools) -> Ints:
    """Working day 0, Saturday 1, Sunday or holiday 2."""
    found = np.where(calendar.weekday == 5, SATURDAY, np.where(calendar.weekday == 6, SUNDAY, WORKING))
    return np.where(holiday, SUNDAY, found)


def calendar_of(window: Window, zone: ZoneInfo, country: str | None) -> tuple[LocalCalendar, Bools]:
    """The local calendar of a window and which of its quarters lie in a holiday."""
    calendar = local_calendar(window, zone)
    return calendar, is_holiday(calendar.day, country)
