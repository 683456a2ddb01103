"""From the daily forecast, the newest errors and the learnt margins to quantiles."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ampacity.forecasting.calibration import (
    DELAY_BANDS,
    LEADS,
    LOWER,
    SIZE_FLOOR,
    UPPER,
    factors,
    spread,
)
from ampacity.forecasting.correction import smooth_hours
from ampacity.forecasting.tracking import (
    BURST_FADE_H,
    BURST_HALF_LIFE,
    BURST_POWER,
    BURST_RANGE,
    Track,
    carry_over,
    error_size,
)
from ampacity.forecasting.types import Bools, Floats, Floats16, Floats32, Ints
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window

REACH = 2 * LEADS[-1]  # quarters after which a new measurement changes nothing
NEVER = -10_000
SMALLEST, LARGEST = 2.0**-20, 60_000.0  # size of an error in units of a series' scale, as 16 bits hold it
BELIEVED = 8.0  # usual errors: a newest error is believed up to that size, be it a spike or a fault in the grid


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What quantiles need of all that was learnt of S series' errors; it changes once a day.

    Sizes of errors are kept in 16 bits, to 0.05 %: they are most of what a server holds of a large grid.
    """

    error_size: Floats16  # (S, 96) usual size of an error of the daily forecast
    one_step_size: Floats16  # (S, 96) and of one of the next quarter's
    carry: Floats32  # (S, K) how much of the newest error remains
    spread: Floats16  # (S, B, 96) size of an error by band
    factor: Floats32  # (Q, S, B) how many of these a quantile lies from the median; 0 for the median

    @classmethod
    def of(cls, track: Track, levels: tuple[float, ...]) -> "Learnt":
        """At some levels, ascending."""
        one_step = smooth_hours(track.calibration.size[:, DELAY_BANDS])
        usual = spread(track.calibration)
        factor = np.zeros((len(levels), *usual.shape[:2]), np.float32)
        for i, level in enumerate(levels):
            if level != 0.5:
                side = UPPER if level > 0.5 else LOWER
                factor[i] = factors(track.calibration, min(level, 1 - level), side)
        return cls(
            error_size=_halved(error_size(track)),
            one_step_size=_halved(np.maximum(one_step, SIZE_FLOOR * one_step.mean(axis=1, keepdims=True) + 1e-6)),
            carry=carry_over(track),
            spread=_halved(usual),
            factor=factor,
        )

    def only(self, rows: Ints | slice) -> "Learnt":
        """Of some series."""
        return Learnt(
            error_size=self.error_size[rows],
            one_step_size=self.one_step_size[rows],
            carry=self.carry[rows],
            spread=self.spread[rows],
            factor=self.factor[:, rows],
        )


def _halved(size: Floats32) -> Floats16:
    """In 16 bits, above 0 and finite as it was."""
    return np.clip(size, SMALLEST, LARGEST).astype(np.float16)


@dataclass(frozen=True, kw_only=True)
class View:
    """A chunk of S series at an origin, in units of their scale."""

    error_size: Floats32  # (S, 96) of what was learnt, as the other three
    one_step_size: Floats32  # (S, 96)
    carry: Floats32  # (S, K)
    spread: Floats32  # (S, B, 96)
    factor: Floats32  # (Q, S, B)
    scale_w: Floats32  # (S,)
    daily: Floats32  # (S, 1 + days, 96): yesterday as forecast then, today and after as forecast at today's start
    y: Floats32  # (S, 2, 96) measured yesterday and today, NaN unknown
    day_start: int  # quarter at which today starts


@dataclass(frozen=True, kw_only=True)
class _News:
    """What the newest measurement of today says, per series."""

    at: Ints  # (S,) its quarter of today, or NEVER
    error: Floats32  # (S,) of the daily forecast there, in units of its usual size
    burst: Floats32  # (S,) size of the newest errors over their usual size


def quantiles(view: View, window: Window, levels: tuple[float, ...]) -> Floats32:
    """Quantiles of the load over the window [W], (Q, S, T), levels ascending; they never cross."""
    at = np.arange(window.first, window.end) - view.day_start
    first = int(at[0]) if len(at) else 0
    news = _news(view, first)
    median = view.daily[:, 1:].reshape(len(view.daily), -1)[:, first : first + len(at)].copy()
    days = _days(at)
    usual = np.empty_like(median)
    for band, quarters, where in days:
        usual[:, where] = view.spread[:, band, quarters]
    near = [_near(view, at, news, rows) for rows in _alike(news.at)]
    for some in near:
        median[some.rows, : some.quarters] += some.correction
    out = np.empty((len(levels), *median.shape), np.float32)
    for i, level in enumerate(levels):
        if level == 0.5:
            out[i] = median
            continue
        factor, margin = view.factor[i], out[i]
        for band, _, where in days:
            np.multiply(usual[:, where], factor[:, band, None], out=margin[:, where])
        for some in near:
            some.put_in(margin, factor)
        (np.add if level > 0.5 else np.subtract)(median, margin, out=margin)
    out *= view.scale_w[:, None]
    return out


def _days(at: Ints) -> list[tuple[int, slice, slice]]:
    """Of neighbouring quarters since the day's start: for each day its band, its quarters, and their places."""
    found: list[tuple[int, slice, slice]] = []
    start = 0
    while start < len(at):
        day, first = divmod(int(at[start]), QUARTERS_PER_DAY)
        stop = min(len(at), start + QUARTERS_PER_DAY - first)
        found.append((min(day, DELAY_BANDS - 1), slice(first, first + stop - start), slice(start, stop)))
        start = stop
    return found


def _alike(newest: Ints) -> list[Ints | slice]:
    """The series by the quarter of their newest measurement; most often that is the same for all."""
    if len(newest) and (newest == newest[0]).all():
        return [slice(None)]
    return [np.flatnonzero(newest == quarter) for quarter in np.unique(newest)]


def _news(view: View, origin: int) -> _News:
    """The newest measurement before the origin, if it lies in today."""
    errors = view.y - view.daily[:, :2]
    known = np.isfinite(errors)
    known[:, 1, origin:] = False
    np.copyto(errors, 0, where=~known)
    relative = errors / view.error_size[:, None]
    newest = np.where(known[:, 1], np.arange(QUARTERS_PER_DAY), NEVER).max(axis=1)
    error = np.where(newest >= 0, relative[np.arange(len(newest)), 1, np.maximum(newest, 0)], 0)
    error = np.clip(error, -BELIEVED, BELIEVED)
    return _News(at=newest, error=error.astype(np.float32), burst=_burst_level(view, errors, known, relative, newest))


def _burst_level(view: View, errors: Floats32, known: Bools, relative: Floats32, newest: Ints) -> Floats32:
    """Decayed mean of |one-step error| / its usual size up to the newest measurement."""
    n = QUARTERS_PER_DAY
    carried = view.error_size[:, None] * view.carry[:, :1, None]
    one_step = np.zeros_like(errors)
    one_step.reshape(-1, 2 * n)[:, 1:] = relative.reshape(-1, 2 * n)[:, :-1]
    one_step *= carried
    np.subtract(errors, one_step, out=one_step)
    np.abs(one_step, out=one_step)
    one_step /= view.one_step_size[:, None]
    np.copyto(one_step, 1, where=~known)
    found = np.ones(len(newest), np.float32)
    for rows in _alike(newest):
        last = int(newest[rows][0])
        if last >= 0:
            weight = _burst_weights(last + n)
            found[rows] = (one_step.reshape(-1, 2 * n)[rows, : last + n + 1] * weight).sum(axis=1)
    return np.clip(found, *BURST_RANGE)


@cache
def _burst_weights(newest: int) -> Floats32:
    """How much each quarter up to the newest one counts in the mean of its errors, (newest + 1,)."""
    gain = 1 - 0.5 ** (1 / BURST_HALF_LIFE)
    weight = (1 - gain) ** np.arange(newest, -1, -1)
    found: Floats32 = (weight / weight.sum()).astype(np.float32)
    return found


@dataclass(frozen=True, kw_only=True)
class _Near:
    """The first quarters of some series, which a newest measurement of the same quarter changes."""

    rows: Ints | slice
    quarters: int  # how many
    correction: Floats32  # (R, n) of the median
    bands: tuple[Ints, Ints]  # (n,) the bands of the leads below and above
    sizes: tuple[Floats32, Floats32]  # (R, n) the size of an error in these bands, by its part of the whole
    rest: Floats32  # (n,) the part of the daily forecast's margin

    def put_in(self, margin: Floats32, factor: Floats32) -> None:
        """Change the margins (S, T) of a quantile with these factors (S, B)."""
        factor = factor[self.rows]
        near = margin[self.rows, : self.quarters] * self.rest
        for bands, size in zip(self.bands, self.sizes, strict=True):
            near += size * factor[:, bands]
        margin[self.rows, : self.quarters] = near


def _near(view: View, at: Ints, news: _News, rows: Ints | slice) -> _Near:
    """What the newest measurement says; its quarter is the same for these series."""
    lead = at - news.at[rows][0]
    lead = lead[lead < REACH]
    tod = at[: len(lead)] % QUARTERS_PER_DAY
    low, share = _lead_position(lead)
    fade = np.clip((REACH - lead) / (REACH - LEADS[-1]), 0, 1)  # 1 up to the last lead band, 0 from REACH on
    below, above = ((1 - share) * fade).astype(np.float32), (share * fade).astype(np.float32)
    power = (BURST_POWER * np.exp(-lead / QUARTERS_PER_HOUR / BURST_FADE_H)).astype(np.float32)
    carry, spread, bands = view.carry[rows], view.spread[rows], (DELAY_BANDS + low, DELAY_BANDS + low + 1)
    burst = news.burst[rows, None] ** power
    phi = carry[:, low] * below + carry[:, low + 1] * above
    return _Near(
        rows=rows,
        quarters=len(lead),
        correction=view.error_size[rows][:, tod] * phi * news.error[rows, None],
        bands=bands,
        sizes=(spread[:, bands[0], tod] * burst * below, spread[:, bands[1], tod] * burst * above),
        rest=(1 - fade).astype(np.float32),
    )


def _lead_position(lead: Ints) -> tuple[Ints, Floats]:
    """Index of the lead band below, and how far a lead lies towards the next one, on a log scale."""
    position = np.clip(np.log2(np.maximum(lead, 1)), 0, len(LEADS) - 1)
    low = np.minimum(position.astype(np.int64), len(LEADS) - 2)
    return low, position - low
