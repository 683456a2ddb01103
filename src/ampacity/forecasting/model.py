"""Fit all series of a block at once; keep what was learnt as arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from ampacity.forecasting.calibration import Calibration
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.experts import EXPERTS, shares
from ampacity.forecasting.faults import level_shift, without_faults
from ampacity.forecasting.panel import Panel, Shared, days_window, fill_holes, whole_days
from ampacity.forecasting.prior import Prior, fit_prior
from ampacity.forecasting.tracking import Track, learn_day, new_track, rescaled, track_of
from ampacity.forecasting.types import (
    NO_CELL,
    Bools,
    Floats,
    Floats32,
    ForecastSettings,
    ForecastSource,
    Ints,
    LoadHistory,
    Weather,
)
from ampacity.forecasting.workers import on_threads
from ampacity.timegrid import QUARTERS_PER_DAY

CHUNK = 64  # series worked on at once: their arrays fit the cache
USABLE_WEATHER = 0.7  # share of the training in which a variable must be known to be used
RECENT_DAYS = 15


@dataclass(frozen=True, kw_only=True)
class ForecastModel:
    """What was learnt of a block of E elements; S of its series (element × phase) have a model of their own."""

    settings: ForecastSettings
    end_day: int  # the training ended before this day
    learnt_day: int  # the errors of the days before it are in the track
    source: Ints  # (E, 3) ForecastSource
    element: Ints  # (S,)
    phase: Ints  # (S,)
    scale_w: Floats32  # (S,)
    cell: Ints  # (S,) weather cell, -1 for none
    group: Ints  # (S,) which of the shared arrays
    experts: Mapping[str, Fitted]  # shared arrays are stacked by group
    track: Track
    prior: Prior


def fit(
    history: LoadHistory,
    weather: Weather,
    cell: Ints,
    settings: ForecastSettings,
    *,
    designs: Designs | None = None,
    as_forecast: Designs | None = None,
    limit_w: Floats | None = None,
    previous: ForecastModel | None = None,
    workers: int = 1,
) -> ForecastModel:
    """Learn the load of all elements and phases of a block, and how wrong its forecasts are.

    Args:
        history: load up to the origin; whole days before it are used.
        weather: observed over the history, as far as known.
        cell: index of each element's weather cell or -1, (E,).
        designs: shared columns, to be reused from block to block.
        as_forecast: the same of the weather as it had been forecast for each day, so that the margins know how wrong
            that is; without it the weather counts as known.
        limit_w: what each phase may carry [W], (E, 3): tells existing phases and spans the band where nothing is known.
        previous: the model that this one replaces; its margins are carried on instead of learnt anew.
        workers: threads to use.
    """
    designs = designs or Designs(weather, settings)
    first, end = whole_days(history.window, settings.day_start_quarter)
    first = max(first, end - settings.training_days)
    y_w = levelled(_days_of(without_faults(history), first, end, settings))
    days = np.isfinite(y_w).mean(axis=2).sum(axis=1) if end > first else np.zeros(len(y_w))
    start = _start_day(y_w, first)
    enough = (days >= settings.minimum_days) & (end - start >= settings.minimum_days)
    rows = np.flatnonzero(enough)
    issued = as_forecast or designs
    known_before = _carried(previous, history, issued, rows, workers)
    pieces = on_threads(
        lambda piece: _fit_chunk(piece, y_w, (designs, issued), settings, known_before),
        _chunks(rows, cell[rows // 3], start[rows], known_before.position[rows] >= 0, (first, end)),
        workers,
    )
    order = np.concatenate([piece.rows for piece, _, _, _ in pieces]) if pieces else np.zeros(0, np.int64)
    back = np.argsort(order, kind="stable")
    names = settings.experts
    series = order[back]
    source = np.where(enough, ForecastSource.MODEL, ForecastSource.NONE).astype(np.int64)
    source[rows[cell[rows // 3] == NO_CELL]] = ForecastSource.WEATHER_FREE
    prior = fit_prior(history, limit_w, enough.reshape(-1, 3), settings)
    source = np.where(enough, source, prior.source.ravel()).reshape(-1, 3)
    return ForecastModel(
        settings=settings,
        end_day=end,
        learnt_day=end,
        source=source,
        element=series // 3,
        phase=series % 3,
        scale_w=_stacked([p[1] for p in pieces], back, (0,)),
        cell=cell[series // 3],
        group=np.repeat(np.arange(len(pieces)), [len(p[0].rows) for p in pieces])[back] if pieces else series,
        experts={name: _gathered([p[2][name] for p in pieces], back, end) for name in names} if pieces else {},
        track=_gathered_track([p[3] for p in pieces], back, len(names)),
        prior=prior,
    )


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Series of one cell whose history starts in the same week."""

    rows: Ints
    cell: int
    first_day: int
    end_day: int


def _chunks(rows: Ints, cell: Ints, start: Ints, carried: Bools, span: tuple[int, int]) -> Iterator[_Piece]:
    """Series by cell, by the week in which their history starts and by whether they had a model, CHUNK at once."""
    first, end = span
    begin = np.minimum(first + -((first - start) // 7) * 7, end - 14)
    for key in sorted(set(zip(cell.tolist(), begin.tolist(), carried.tolist(), strict=True))):
        inside = rows[(cell == key[0]) & (begin == key[1]) & (carried == key[2])]
        for at in range(0, len(inside), CHUNK):
            yield _Piece(rows=inside[at : at + CHUNK], cell=key[0], first_day=max(first, key[1]), end_day=end)


@dataclass(frozen=True, kw_only=True)
class _Before:
    """The model that a fit replaces, brought up to its end."""

    model: ForecastModel | None
    position: Ints  # (E * 3,) index in its series, -1 where it has none


def _carried(
    previous: ForecastModel | None, history: LoadHistory, designs: Designs, rows: Ints, workers: int
) -> _Before:
    position = np.full(len(history.load_w) * 3, -1)
    if previous is None or previous.settings.experts != designs.settings.experts or not len(rows):
        return _Before(model=None, position=position)
    updated = update(previous, history, designs.weather, designs=designs, workers=workers)
    still = updated.element < len(history.load_w)
    position[(updated.element * 3 + updated.phase)[still]] = np.flatnonzero(still)
    return _Before(model=updated, position=position)


def _fit_chunk(
    piece: _Piece, y_w: Floats32, designs: tuple[Designs, Designs], settings: ForecastSettings, before: _Before
) -> tuple[_Piece, Floats32, dict[str, Fitted], Track]:
    observed, issued = (
        d.shared(piece.cell, piece.first_day, piece.end_day, minimum_known=USABLE_WEATHER) for d in designs
    )
    end = piece.end_day
    raw = y_w[piece.rows, -(end - piece.first_day) :]
    scale = robust_scale(raw)
    panel = make_panel(raw / scale[:, None, None], observed)
    experts = [EXPERTS[name] for name in settings.experts]
    at = before.position[piece.rows]
    if before.model is not None and (at >= 0).all():
        track = rescaled(track_of(before.model.track, at), before.model.scale_w[at] / scale)
    else:
        track = new_track(len(raw), len(experts))
        for begin, until in pairwise(calibration_refits(piece.first_day, end, settings)):
            track = _learn_week(track, panel, issued, (piece.first_day, begin, until), settings)
    used = (observed.design.known.mean(axis=1) >= USABLE_WEATHER).astype(np.float32)
    fitted = {}
    for expert in experts:
        learnt = expert.fit(panel, piece.first_day, end)
        fitted[expert.name] = replace(learnt, shared={**learnt.shared, "weather": used})
    return piece, scale, fitted, track


def _learn_week(
    track: Track, panel: Panel, issued: Shared, days: tuple[int, int, int], settings: ForecastSettings
) -> Track:
    """Fit on the days before `begin`, forecast [begin, until) day by day, learn from the errors."""
    first, begin, until = days
    experts = [EXPERTS[name] for name in settings.experts]
    told = replace(panel, shared=issued)
    forecasts = np.stack([e.forecast(e.fit(panel, first, begin), told, begin, until) for e in experts])
    return _learn_days(track, panel, forecasts, begin, settings)


def _learn_days(track: Track, panel: Panel, forecasts: Floats32, first_day: int, settings: ForecastSettings) -> Track:
    """Learn day by day from forecasts (I, 3, S, days, 96) of the days from `first_day` on."""
    asked = shares(settings.experts)
    for i in range(forecasts.shape[3]):
        at = first_day + i - panel.first_day
        y, known = panel.y[:, at], panel.known[:, at]
        track = learn_day(track, forecasts[:, :, :, i], y, known, risk=settings.risk, shares=asked)
    return track


def update(
    model: ForecastModel,
    recent: LoadHistory,
    weather: Weather,
    *,
    designs: Designs | None = None,
    workers: int = 1,
) -> ForecastModel:
    """The model having learnt from the errors of the whole days since it last did; to be called once a day.

    Args:
        recent: reaches two weeks further back than the days to learn from.
        weather: as it was forecast for those days, so that the margins know how wrong the weather is.
    """
    designs = designs or Designs(weather, model.settings)
    first, end = whole_days(recent.window, model.settings.day_start_quarter)
    begin = max(model.learnt_day, first + 1)
    if begin >= end or not len(model.element):
        return replace(model, learnt_day=max(end, model.learnt_day))
    first = max(first, begin - RECENT_DAYS)
    clean = without_faults(recent)

    def learn(rows: Ints) -> Track:
        shared = designs.shared(int(model.cell[rows[0]]), first, end)
        y_w = _days_of(clean, first, end, model.settings)[model.element[rows] * 3 + model.phase[rows]]
        panel = make_panel(y_w / model.scale_w[rows, None, None], shared)
        forecasts = np.stack([EXPERTS[n].forecast(f, panel, begin, end) for n, f in fitted_of(model, rows).items()])
        return _learn_days(track_of(model.track, rows), panel, forecasts, begin, model.settings)

    parts = list(chunks_of(model))
    tracks = on_threads(learn, parts, workers)
    back = np.argsort(np.concatenate(parts), kind="stable")
    return replace(model, track=_gathered_track(tracks, back, len(model.experts)), learnt_day=end)


def chunks_of(model: ForecastModel) -> Iterator[Ints]:
    """The model's series by the arrays they share, CHUNK at once."""
    for group in np.unique(model.group):
        inside = np.flatnonzero(model.group == group)
        for at in range(0, len(inside), CHUNK):
            yield inside[at : at + CHUNK]


def fitted_of(model: ForecastModel, rows: Ints) -> dict[str, Fitted]:
    """What each expert learnt of some series that share their arrays."""
    group = int(model.group[rows[0]])
    return {
        name: Fitted(
            series={key: value[rows] for key, value in fitted.series.items()},
            shared={key: value[group] for key, value in fitted.shared.items()},
            end_day=fitted.end_day,
        )
        for name, fitted in model.experts.items()
    }


def calibration_refits(first: int, end: int, settings: ForecastSettings) -> list[int]:
    """Days of the rolling refits of a new model, and the end: weekly, each with at least ten days before it."""
    earliest = first + 10
    refits = [end - 7 * k for k in range(settings.calibration_weeks, 0, -1)]
    usable = [day for day in refits if day > earliest]
    if len(usable) < settings.calibration_weeks and earliest < end:
        usable = [earliest, *usable]
    return [*usable, end]


def levelled(y_w: Floats32) -> Floats32:
    """Days before a lasting jump moved to the level after it: the shape stays, the old level is forgotten."""
    known = np.isfinite(y_w)
    count = known.sum(axis=2)
    mean = np.where(count > QUARTERS_PER_DAY // 2, np.where(known, y_w, 0).sum(axis=2) / np.maximum(count, 1), np.nan)
    day, size = level_shift(mean)
    if not day.any():
        return y_w
    before = np.arange(y_w.shape[1])[None] < day[:, None]
    found: Floats32 = y_w + (before * size[:, None]).astype(np.float32)[..., None]
    return found


def robust_scale(raw: Floats32) -> Floats32:
    """A size of each series' variation [W], never 0, (S,)."""
    recent = raw[:, -28:].reshape(len(raw), -1)
    low, high = np.nanpercentile(recent, [2, 98], axis=1) if len(raw) else (np.zeros(0), np.zeros(0))
    level = np.nanmean(np.abs(recent), axis=1) if len(raw) else np.zeros(0)
    scale = np.maximum(np.nan_to_num(high - low), 0.02 * np.nan_to_num(level))
    found: Floats32 = np.where(scale > 1e-3, scale, 1.0).astype(np.float32)
    return found


def make_panel(scaled: Floats32, shared: Shared) -> Panel:
    """Days of scaled load with holes filled and marked."""
    known: Bools = np.isfinite(scaled)
    return Panel(shared=shared, y=np.ascontiguousarray(fill_holes(scaled.astype(np.float32), known)), known=known)


def _days_of(history: LoadHistory, first: int, end: int, settings: ForecastSettings) -> Floats32:
    """The load as (E * 3, days, 96)."""
    at = days_window(first, end, settings.day_start_quarter)
    part = history.load_w[:, :, at.first - history.window.first : at.end - history.window.first]
    return part.reshape(len(part) * 3, end - first, QUARTERS_PER_DAY)


def _start_day(y_w: Floats32, first: int) -> Ints:
    """The first day with a measurement, per series."""
    has = np.isfinite(y_w).any(axis=2)
    found: Ints = first + np.argmax(has, axis=1) if has.shape[1] else np.full(len(y_w), first)
    return found


def _stacked(parts: list[Floats32], back: Ints, empty: tuple[int, ...]) -> Floats32:
    return np.concatenate(parts)[back] if parts else np.zeros(empty, np.float32)


def _gathered(parts: list[Fitted], back: Ints, end_day: int) -> Fitted:
    return Fitted(
        series={name: np.concatenate([p.series[name] for p in parts])[back] for name in parts[0].series},
        shared={name: np.stack([p.shared[name] for p in parts]) for name in parts[0].shared},
        end_day=end_day,
    )


def _gathered_track(parts: list[Track], back: Ints, experts: int) -> Track:
    if not parts:
        return new_track(0, experts)
    state = {f.name: np.concatenate([getattr(p.calibration, f.name) for p in parts])[back] for f in fields(Calibration)}
    arrays = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts])[back]
        for f in fields(Track)
        if f.name != "calibration"
    }
    return Track(calibration=Calibration(**state), **arrays)
