"""From the daily forecast, the newest errors and the learnt margins to quantiles."""

from dataclasses import dataclass

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
from ampacity.forecasting.types import Floats, Floats16, Floats32, Ints
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

    def only(self, rows: Ints) -> "Learnt":
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
    news = _news(view, at[0] if len(at) else 0)
    lead = at[None, :] - news.at[:, None]
    median = _median(view, at, lead, news)
    out = np.empty((len(levels), *median.shape), np.float32)
    for i, level in enumerate(levels):
        if level == 0.5:
            out[i] = median
            continue
        sign = np.float32(1) if level > 0.5 else np.float32(-1)
        distance = view.spread * view.factor[i][..., None]
        out[i] = median + sign * _margin(distance, at, lead, news)
    out *= view.scale_w[:, None]
    return out


def _news(view: View, origin: int) -> _News:
    """The newest measurement before the origin, if it lies in today."""
    size = view.error_size
    errors = view.y - view.daily[:, :2]
    known = np.isfinite(errors)
    known[:, 1, origin:] = False
    relative = np.where(known, errors / size[:, None], 0)
    at = np.arange(QUARTERS_PER_DAY)
    newest = np.where(known[:, 1], at, NEVER).max(axis=1)
    error = np.where(newest >= 0, relative[np.arange(len(newest)), 1, np.maximum(newest, 0)], 0)
    error = np.clip(error, -BELIEVED, BELIEVED)
    return _News(at=newest, error=error.astype(np.float32), burst=_burst_level(view, errors, known, relative, newest))


def _burst_level(view: View, errors: Floats32, known: Floats, relative: Floats32, newest: Ints) -> Floats32:
    """Decayed mean of |one-step error| / its usual size up to the newest measurement."""
    n = QUARTERS_PER_DAY
    flat, usable = relative.reshape(-1, 2 * n), known.reshape(-1, 2 * n)
    before = np.concatenate([np.zeros((len(flat), 1), np.float32), flat[:, :-1]], axis=1)
    carried = np.tile(view.error_size, 2) * view.carry[:, :1] * before
    one_step = np.where(
        usable, np.abs(np.nan_to_num(errors.reshape(-1, 2 * n)) - carried) / np.tile(view.one_step_size, 2), 1
    )
    gain = 1 - 0.5 ** (1 / BURST_HALF_LIFE)
    age = (newest + n)[:, None] - np.arange(2 * n)
    weight = np.where(age >= 0, gain * (1 - gain) ** np.maximum(age, 0), 0)
    level = (one_step * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    return np.where(newest >= 0, np.clip(level, *BURST_RANGE), 1).astype(np.float32)


def _lead_position(lead: Ints) -> tuple[Ints, Floats]:
    """Index of the lead band below, and how far a lead lies towards the next one, on a log scale."""
    position = np.clip(np.log2(np.maximum(lead, 1)), 0, len(LEADS) - 1)
    low = np.minimum(position.astype(np.int64), len(LEADS) - 2)
    return low, position - low


def _fade(lead: Ints) -> Floats:
    """1 up to the last lead band, 0 from REACH on."""
    found: Floats = np.clip((REACH - lead) / (REACH - LEADS[-1]), 0, 1)
    return found


def _median(view: View, at: Ints, lead: Ints, news: _News) -> Floats32:
    flat = view.daily[:, 1:].reshape(len(view.daily), -1)
    median: Floats32 = flat[:, at].copy()
    near = _near(lead)
    if near:
        low, share = _lead_position(lead[:, :near])
        carry = view.carry
        rows = np.arange(len(carry))[:, None]
        phi = (carry[rows, low] * (1 - share) + carry[rows, low + 1] * share) * _fade(lead[:, :near])
        size = view.error_size[:, at[:near] % QUARTERS_PER_DAY]
        median[:, :near] += (size * phi * news.error[:, None]).astype(np.float32)
    return median


def _near(lead: Ints) -> int:
    """How many of the first quarters a newest measurement can still change."""
    return int((lead < REACH).any(axis=0).sum())


def _margin(by_band: Floats32, at: Ints, lead: Ints, news: _News) -> Floats32:
    """Distance of a quantile from the median (S, T), from that of each band (S, B, 96)."""
    tod, delay = at % QUARTERS_PER_DAY, np.minimum(at // QUARTERS_PER_DAY, DELAY_BANDS - 1)
    margin = by_band[:, delay, tod]
    near = _near(lead)
    if near:
        low, share = _lead_position(lead[:, :near])
        rows, cols = np.arange(len(by_band))[:, None], tod[None, :near]
        intraday = by_band[rows, DELAY_BANDS + low, cols] * (1 - share)
        intraday += by_band[rows, DELAY_BANDS + low + 1, cols] * share
        power = BURST_POWER * np.exp(-lead[:, :near] / QUARTERS_PER_HOUR / BURST_FADE_H)
        fade = _fade(lead[:, :near])
        mixed = fade * intraday * news.burst[:, None] ** power + (1 - fade) * margin[:, :near]
        margin[:, :near] = np.where(lead[:, :near] < REACH, mixed, margin[:, :near])
    return margin
