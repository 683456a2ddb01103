"""What is said of a series that has too little history for a model: a shape, a level, a wide band."""

from dataclasses import dataclass

import numpy as np

from ampacity.forecasting.calendar import WORKING, calendar_of, day_class
from ampacity.forecasting.profiles import profile_of
from ampacity.forecasting.types import Bools, Floats, Floats32, ForecastSettings, ForecastSource, Ints, LoadHistory
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, moment_of

KINDS = 2 * 24  # working day or not × local hour
WIDER_THAN_NEIGHBOURS, SHARE_OF_RANGE, SHARE_OF_LEVEL = 2.0, 0.5, 0.5
KNOWN_LEVEL, LEVEL_DAYS = 0.5, 14.0  # a profile whose level is measured is so much narrower after so many days
OWN_DAYS, OWN_HALF_LIFE_D = 0.5, 3.0  # so many days of its own count as much as what was expected; newer ones more
OWN_WIDTH, OWN_WIDTH_DAYS = 1.2, 5.0  # of its 1 % greatest errors: 1.2 and a share that falls with the days
LIMIT_MEDIAN = 0.25
LEVEL_OF_WIDTH = 0.01
MAX_SAMPLE = 512  # neighbours looked at


@dataclass(frozen=True, kw_only=True)
class Prior:
    """P series without a model: their median and the distance of the 1 % quantiles, by kind of hour [W]."""

    source: Ints  # (E, 3); NONE where there is a model or no phase
    series: Ints  # (P,) element * 3 + phase
    median_w: Floats32  # (P, 48)
    width_w: Floats32  # (P, 48)


def kind_of_hour(window: Window, settings: ForecastSettings) -> Ints:
    """Working day or not × local hour, 0 to 47, (T,)."""
    calendar, holiday = calendar_of(window, settings.zone, settings.country)
    free = (day_class(calendar, holiday) != WORKING).astype(np.int64)
    found: Ints = free * 24 + calendar.hour.astype(np.int64)
    return found


def fit_prior(
    history: LoadHistory,
    limit_w: Floats | None,
    modelled: Bools,
    settings: ForecastSettings,
    connections: Floats | None = None,
) -> Prior:
    """Priors of all series that have no model (E, 3).

    With some hours of history: its level on the standard profile of its connections, where those are known, else on
    the mean shape of its modelled neighbours, drawn to its own shape the more days there are, and twice as wide as
    theirs.  With none: the standard profile, else a quarter of the limit and a band that spans the limit.

    Args:
        connections: how many of each of PROFILE_KINDS are behind an element, (E, 4); all 0 where it is not known.
    """
    load_w = history.load_w.reshape(len(history.load_w) * 3, history.window.count)
    limit = np.zeros(len(load_w)) if limit_w is None else np.asarray(limit_w, float).reshape(-1)
    has_some = np.isfinite(load_w[~modelled.ravel()]).any(axis=1) if len(load_w) else np.zeros(0, bool)
    rows = np.flatnonzero(~modelled.ravel())
    source = np.full(len(load_w), ForecastSource.NONE, np.int64)
    source[rows] = np.where(has_some, ForecastSource.PRIOR, np.where(limit[rows] > 0, ForecastSource.LIMIT, 0))
    known = profiles(connections, limit, history.window.end)
    source[[row for row in known if source[row] == ForecastSource.LIMIT]] = ForecastSource.PROFILE
    series = np.flatnonzero(source != ForecastSource.NONE)
    kind = kind_of_hour(history.window, settings)
    like = np.flatnonzero(modelled.ravel())[: MAX_SAMPLE if has_some.any() else 0]
    shape, width = _neighbours(load_w[like], kind)
    median = np.empty((len(series), KINDS), np.float32)
    wide = np.empty_like(median)
    for i, row in enumerate(series):
        if source[row] == ForecastSource.LIMIT:
            median[i], wide[i] = LIMIT_MEDIAN * limit[row], (1 + LIMIT_MEDIAN) * limit[row]
        elif source[row] == ForecastSource.PROFILE:
            median[i], wide[i] = known[int(row)][0], np.minimum(known[int(row)][1], (1 + LIMIT_MEDIAN) * limit[row])
        else:
            days = np.isfinite(load_w[row]).sum() / QUARTERS_PER_DAY
            by_kind = _relative(known.get(int(row)), (shape, width), days)
            median[i], wide[i] = _scaled(load_w[row], kind, *by_kind, has_profile=int(row) in known)
    return Prior(source=source.reshape(-1, 3), series=series, median_w=median, width_w=wide)


def profiles(connections: Floats | None, limit: Floats, quarter: int) -> dict[int, tuple[Floats, Floats]]:
    """Standard profile of each phase of the elements whose connections are known: median and width, by series."""
    if connections is None:
        return {}
    day_of_year = moment_of(quarter).timetuple().tm_yday
    found = {}
    for e in np.flatnonzero(connections.any(axis=1)):
        phases = [e * 3 + p for p in range(3) if limit[e * 3 + p] > 0]
        for row in phases:
            found[int(row)] = profile_of(connections[e] / len(phases), day_of_year)
    return found


def no_prior(shape: tuple[int, ...]) -> Prior:
    """Of no series, in a block of elements and phases (E, 3)."""
    nothing = np.zeros((0, KINDS), np.float32)
    source = np.full(shape, ForecastSource.NONE, np.int64)
    return Prior(source=source, series=np.zeros(0, np.int64), median_w=nothing, width_w=nothing)


def prior_band(prior: Prior, window: Window, levels: tuple[float, ...], settings: ForecastSettings) -> Floats32:
    """Quantiles over a window (Q, P, T): the width grows with the log of the level, as an exponential tail does."""
    kind = kind_of_hour(window, settings)
    median, width = prior.median_w[:, kind], prior.width_w[:, kind]
    return np.stack([median + np.float32(width_factor(level)) * width for level in levels]).astype(np.float32)


def width_factor(level: float) -> float:
    """Signed distance of a quantile in units of that of the 1 % quantiles.

    >>> width_factor(0.99), width_factor(0.5), width_factor(0.01)
    (1.0, 0.0, -1.0)
    """
    tail = min(level, 1 - level)
    size = np.log(0.5 / tail) / np.log(0.5 / LEVEL_OF_WIDTH)
    return float(round(np.sign(level - 0.5) * size, 12))


def _neighbours(load_w: Floats32, kind: Ints) -> tuple[Floats, Floats]:
    """Mean shape of modelled series and the width of their 99 % band, both over their mean |load|, (48,)."""
    flat, wide = np.ones(KINDS), np.full(KINDS, 1.0)
    if not len(load_w):
        return flat, wide
    level = np.maximum(np.nanmean(np.abs(load_w), axis=1, keepdims=True), 1e-3)
    relative = load_w / level
    shape, width = flat.copy(), wide.copy()
    for k in range(KINDS):
        inside = relative[:, kind == k]
        known = np.isfinite(inside)
        if known.any():
            shape[k] = inside[known].mean()
            width[k] = np.quantile(np.abs(inside[known] - shape[k]), 0.99)
    return shape, width


def _relative(
    profile: tuple[Floats, Floats] | None, neighbours: tuple[Floats, Floats], days: float
) -> tuple[Floats, Floats]:
    """Shape and width over the mean |load|: of the standard profile, else of neighbours.

    The width of a profile is that of a load not known at all; days of history that tell its level narrow it.
    """
    if profile is None:
        return neighbours
    level = max(float(np.abs(profile[0]).mean()), 1e-3)
    narrower = 1 - KNOWN_LEVEL * min(days / LEVEL_DAYS, 1)
    return profile[0] / level, narrower * profile[1] / level / WIDER_THAN_NEIGHBOURS


def _scaled(load_w: Floats32, kind: Ints, shape: Floats, width: Floats, *, has_profile: bool) -> tuple[Floats, Floats]:
    known = np.isfinite(load_w)
    own, expected = load_w[known].astype(float), shape[kind[known]]
    level = max(float(np.abs(own).mean() / max(np.abs(expected).mean(), 1e-6)), 1e-3)
    offset = own.mean() - level * expected.mean()
    spread = SHARE_OF_RANGE * (own.max() - own.min()) + (0 if has_profile else SHARE_OF_LEVEL * level)
    age_d = (len(load_w) - 1 - np.flatnonzero(known)) / QUARTERS_PER_DAY
    median = _own_shape(own, kind[known], level * shape + offset, 0.5 ** (age_d / OWN_HALF_LIFE_D))
    error = np.quantile(np.abs(own - median[kind[known]]), 1 - LEVEL_OF_WIDTH)
    widest = np.maximum(WIDER_THAN_NEIGHBOURS * width * level, spread)
    return median, np.minimum(widest, (OWN_WIDTH + OWN_WIDTH_DAYS * QUARTERS_PER_DAY / len(own)) * error)


def _own_shape(own_w: Floats, kind: Ints, expected_w: Floats, weight: Floats) -> Floats:
    """The expected course (48,) drawn to what was measured: first to the mean of each hour, then to that of its kind.

    Args:
        own_w: what was measured, (N,), in kinds of hours (N,), with weights (N,).
    """
    total = np.bincount(kind, weight * own_w, KINDS).reshape(2, 24)
    count = np.bincount(kind, weight, KINDS).reshape(2, 24)
    trust = OWN_DAYS * QUARTERS_PER_HOUR
    by_hour = (total.sum(axis=0) + trust * expected_w.reshape(2, 24)) / (count.sum(axis=0) + trust)
    found: Floats = ((total + trust * by_hour) / (count + trust)).ravel()
    return found
