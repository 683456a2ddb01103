"""Standard load profiles: what connections of a kind usually draw, before anything of them has been measured.

Every shape is a smooth curve of a few bumps and edges over the local hour, one for working days and one for the days
that are free, in units of the mean of a working day; a slow wave over the year multiplies it.  The curves, means and
spreads are our own and rough, of European connections: what people do in the morning and the evening, when offices are
open, when the sun is up.  The margin is one that all connections share, `shared` of the mean, and one of independent
ones that grows with the root of their number, as in Velander's formula for the peak of n consumers (1947).
"""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.types import Floats

HOURS: Floats = np.arange(24) + 0.5
PROFILE_KINDS = ("household", "commercial", "heat_pump", "solar_kw")
COLDEST_DAY, YEAR_DAYS = 20.0, 365.25


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of connection; powers are per connection, of solar per kW of its peak."""

    mean_w: float  # over the year; negative feeds in
    working: Floats  # (24,) of mean one
    free: Floats  # (24,) in the same units
    winter: float  # how much of the mean comes and goes with the year: 1 + winter cos(days since the coldest)
    shared: float  # the margin of very many, in means
    alone_w: float  # what one connection adds to the margin


def _bump(at: float, width: float) -> Floats:
    """A bell around an hour; the day is a circle."""
    away = np.abs(HOURS - at)
    found: Floats = np.exp(-0.5 * (np.minimum(away, 24 - away) / width) ** 2)
    return found


def _open(begin: float, end: float, edge_h: float) -> Floats:
    """1 while open, with smooth edges."""
    found: Floats = 1 / (1 + np.exp(-(HOURS - begin) / edge_h)) - 1 / (1 + np.exp(-(HOURS - end) / edge_h))
    return found


def _mean_one(shape: Floats) -> Floats:
    found: Floats = shape / shape.mean()
    return found


SUN: Floats = np.maximum(0, np.cos((HOURS - 13) / 14 * np.pi) * (np.abs(HOURS - 13) < 7)) ** 1.5

PROFILES: dict[str, Profile] = {
    "household": Profile(
        mean_w=350.0,
        working=_mean_one(0.55 + 0.45 * _bump(7.5, 1.2) + 0.3 * _bump(12.5, 2.0) + 1.0 * _bump(19.5, 2.3)),
        free=_mean_one(0.55 + 0.45 * _bump(10.0, 1.8) + 0.5 * _bump(13.0, 2.0) + 0.9 * _bump(19.5, 2.5)),
        winter=0.2,
        shared=1.0,
        alone_w=2700.0,
    ),
    "commercial": Profile(
        mean_w=2300.0,
        working=_mean_one(0.35 + 1.3 * _open(7.5, 18.0, 0.7)),
        free=0.4 + 0.25 * _open(9.0, 17.0, 1.0),
        winter=0.1,
        shared=1.2,
        alone_w=6000.0,
    ),
    "heat_pump": Profile(
        mean_w=500.0,
        working=_mean_one(0.8 + 0.4 * _bump(7.0, 2.0) + 0.25 * _bump(19.0, 3.0)),
        free=_mean_one(0.8 + 0.35 * _bump(8.0, 2.5) + 0.25 * _bump(19.0, 3.0)),
        winter=0.9,
        shared=2.0,
        alone_w=2500.0,
    ),
    "solar_kw": Profile(
        mean_w=-110.0, working=_mean_one(SUN), free=_mean_one(SUN), winter=-0.6, shared=2.5, alone_w=300.0
    ),
}


def profile_of(connections: Floats, day_of_year: int) -> tuple[Floats, Floats]:
    """Usual load and the distance of its 1 % quantiles by kind of hour [W], both (48,): working days, then free ones.

    Args:
        connections: how many of each of PROFILE_KINDS, (4,).
    """
    median, width, alone = np.zeros(48), np.zeros(48), 0.0
    year = np.cos(2 * np.pi * (day_of_year - COLDEST_DAY) / YEAR_DAYS)
    for number, name in zip(connections, PROFILE_KINDS, strict=True):
        profile = PROFILES[name]
        shape = np.concatenate([profile.working, profile.free])
        usual = number * profile.mean_w * (1 + profile.winter * year) * shape
        median += usual
        width += profile.shared * np.abs(usual)
        alone += number * profile.alone_w**2
    return median, width + np.sqrt(alone)
