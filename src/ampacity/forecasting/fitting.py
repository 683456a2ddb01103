"""Fit all series of a block at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ampacity.forecasting.clock import ClockMoves
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.expert import Fitted
from ampacity.forecasting.experts import EXPERTS
from ampacity.forecasting.learning import calibration_refits, learn_week, update_clean
from ampacity.forecasting.model import CHUNK, RECENT_DAYS, ForecastModel, gathered_track
from ampacity.forecasting.panel import whole_days
from ampacity.forecasting.preparation import Prepared, make_panel, prepare, robust_scale
from ampacity.forecasting.prior import Prior, fit_prior, no_prior
from ampacity.forecasting.tracking import Track, new_track, rescaled, track_of
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

USABLE_WEATHER = 0.7  # share of the training in which a variable must be known to be used


def fit(
    history: LoadHistory,
    weather: Weather,
    cell: Ints,
    settings: ForecastSettings,
    *,
    designs: Designs | None = None,
    as_forecast: Designs | None = None,
    limit_w: Floats | None = None,
    connections: Floats | None = None,
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
        connections: how many of each of `profiles.PROFILE_KINDS` are behind an element, (E, 4), for priors.
        previous: the model that this one replaces; its margins are carried on instead of learnt anew.
        workers: threads to use.
    """
    designs = designs or Designs(weather, settings)
    first, end = whole_days(history.window, settings.day_start_quarter)
    first = max(first, end - settings.training_days)
    learnt_until = end if previous is None else min(previous.learnt_day, end)
    newest_from = (learnt_until - RECENT_DAYS - 1) * QUARTERS_PER_DAY + settings.day_start_quarter
    found = prepare(history, (first, end), settings, newest_from=newest_from, workers=workers)
    enough = (found.days >= settings.minimum_days) & (end - found.start >= settings.minimum_days)
    issued = as_forecast or designs
    given = _Given(prepared=found, cell=cell, span=(first, end), workers=workers)
    pieces = _fit_rows(given, np.flatnonzero(enough), (designs, issued), previous)
    prior = fit_prior(history, limit_w, enough.reshape(-1, 3), settings, connections)
    with_weather = np.isin(np.arange(len(enough)), _fitted_on_weather(pieces, settings))
    source = np.where(enough, np.where(with_weather, ForecastSource.MODEL, ForecastSource.WEATHER_FREE), 0)
    source = np.where(enough, source, prior.source.ravel()).reshape(-1, 3)
    model = _model_of(pieces, cell, source, (prior, found.clock), (settings, end))
    if not settings.weather_free_experts or not with_weather.any():
        return model
    before = None if previous is None else previous.weather_free
    free_designs = (designs.weather_free, issued.weather_free)
    free_pieces = _fit_rows(given, np.flatnonzero(with_weather), free_designs, before)
    free_source = np.where(with_weather, ForecastSource.WEATHER_FREE, ForecastSource.NONE).reshape(-1, 3)
    made = (designs.weather_free.settings, end)
    beside = _model_of(free_pieces, cell, free_source, (no_prior(source.shape), found.clock), made)
    return replace(model, weather_free=beside)


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What a fit starts from."""

    prepared: Prepared
    cell: Ints  # (E,)
    span: tuple[int, int]  # first day and end
    workers: int


def _fit_rows(
    given: _Given, rows: Ints, designs: tuple[Designs, Designs], previous: ForecastModel | None
) -> "list[_Fit]":
    """Fit some series with designs of the weather that came and of the weather as it was forecast."""
    settings = designs[0].settings
    before = _carried(previous, given.prepared.newest, designs[1], rows, given.workers)
    cell = given.cell[rows // 3]
    return on_threads(
        lambda piece: _fit_chunk(piece, given.prepared.y_w, designs, settings, before),
        _chunks(rows, cell, given.prepared.start[rows], before.position[rows] >= 0, given.span),
        given.workers,
    )


def _fitted_on_weather(pieces: "list[_Fit]", settings: ForecastSettings) -> Ints:
    """The series that were fitted on some variable of the weather."""
    name = settings.experts[0]
    found = [piece.rows for piece, _, fitted, _ in pieces if fitted[name].shared["weather"].any()]
    return np.concatenate([np.zeros(0, np.int64), *found])


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
    previous: ForecastModel | None, newest: LoadHistory, designs: Designs, rows: Ints, workers: int
) -> _Before:
    position = np.full(len(newest.load_w) * 3, -1)
    if previous is None or previous.settings.experts != designs.settings.experts or not len(rows):
        return _Before(model=None, position=position)
    alone = replace(previous, weather_free=None)
    updated = update_clean(alone, newest, designs, workers)
    still = updated.element < len(newest.load_w)
    position[(updated.element * 3 + updated.phase)[still]] = np.flatnonzero(still)
    return _Before(model=updated, position=position)


_Fit = tuple[_Piece, Floats32, dict[str, Fitted], Track]  # with the scale of each series


def _fit_chunk(
    piece: _Piece, y_w: Floats32, designs: tuple[Designs, Designs], settings: ForecastSettings, before: _Before
) -> _Fit:
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
            track = learn_week(track, panel, issued, (piece.first_day, begin, until), settings)
    used = (observed.design.known.mean(axis=1) >= USABLE_WEATHER).astype(np.float32) * (piece.cell != NO_CELL)
    fitted = {}
    for expert in experts:
        learnt = expert.fit(panel, piece.first_day, end)
        fitted[expert.name] = replace(learnt, shared={**learnt.shared, "weather": used})
    return piece, scale, fitted, track


def _model_of(
    pieces: list[_Fit],
    cell: Ints,
    source: Ints,
    beside: tuple[Prior, ClockMoves],
    made: tuple[ForecastSettings, int],
) -> ForecastModel:
    """The pieces as one model, its series in the order of elements and phases."""
    settings, end = made
    order = np.concatenate([np.zeros(0, np.int64), *(piece.rows for piece, _, _, _ in pieces)])
    back = np.argsort(order, kind="stable")
    series = order[back]
    group = np.repeat(np.arange(len(pieces)), [len(piece.rows) for piece, _, _, _ in pieces])
    experts = {name: _gathered([p[2][name] for p in pieces], back, end) for name in settings.experts if pieces}
    return ForecastModel(
        settings=settings,
        end_day=end,
        learnt_day=end,
        source=source,
        element=series // 3,
        phase=series % 3,
        scale_w=np.concatenate([np.zeros(0, np.float32), *(p[1] for p in pieces)])[back],
        cell=cell[series // 3],
        group=group[back],
        experts=experts,
        track=gathered_track([p[3] for p in pieces], back, len(settings.experts)),
        prior=beside[0],
        clock=beside[1],
    )


def _gathered(parts: list[Fitted], back: Ints, end_day: int) -> Fitted:
    return Fitted(
        series={name: np.concatenate([p.series[name] for p in parts])[back] for name in parts[0].series},
        shared={name: np.stack([p.shared[name] for p in parts]) for name in parts[0].shared},
        end_day=end_day,
    )
