"""Forecast the past as it would have been forecast then: rolling origins, weekly refits, nothing from later."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ampacity.errors import Unsuitable
from ampacity.forecasting.designs import Designs
from ampacity.forecasting.fitting import fit
from ampacity.forecasting.learning import update
from ampacity.forecasting.model import RECENT_DAYS, ForecastModel
from ampacity.forecasting.panel import whole_days
from ampacity.forecasting.predict import DailyForecast, forecast_days, predict
from ampacity.forecasting.types import (
    WEATHER_VARIABLES,
    Floats,
    ForecastSettings,
    Ints,
    LoadForecast,
    LoadHistory,
    Weather,
)
from ampacity.timegrid import QUARTERS_PER_DAY, Window

REACH_BACK = (RECENT_DAYS + 8) * QUARTERS_PER_DAY


@dataclass(frozen=True, kw_only=True)
class BacktestPlan:
    """Which origins, how far ahead."""

    days: int = 60  # the last whole days of the history
    every: int = QUARTERS_PER_DAY  # quarters from origin to origin; 96 for one a day
    horizon: int = QUARTERS_PER_DAY
    refit_days: int = 7
    delay: int = 0  # quarters after which a measurement is known

    def __post_init__(self) -> None:
        if QUARTERS_PER_DAY % self.every:
            raise Unsuitable(f"origins every {self.every} quarters do not divide a day")


@dataclass(frozen=True, kw_only=True)
class BacktestOrigin:
    """What was forecast at an origin, and the processor time that it and its share of the refits took."""

    origin: int
    forecast: LoadForecast
    cpu_s: float


@dataclass
class _State:
    """What goes along from origin to origin."""

    model: ForecastModel | None = None
    daily: DailyForecast | None = None
    weather: Weather | None = None
    designs: Designs | None = None


def backtest_days(history: LoadHistory, plan: BacktestPlan, settings: ForecastSettings) -> range:
    """The days whose origins are forecast."""
    first, end = whole_days(history.window, settings.day_start_quarter)
    return range(max(first + 1, end - plan.days), end)


def backtest(
    history: LoadHistory,
    weather_at: Callable[[int], Weather],
    cell: Ints,
    settings: ForecastSettings,
    plan: BacktestPlan,
    *,
    limit_w: Floats | None = None,
    stopwatch: Callable[[], float] = lambda: 0.0,
) -> Iterator[BacktestOrigin]:
    """Forecast at each origin from what was known then.

    Args:
        weather_at: the weather over the history and past it as known at a quarter; the same object again means that
            nothing has become known.
        limit_w: what each phase may carry [W], (E, 3).
        stopwatch: processor seconds.
    """
    days = backtest_days(history, plan, settings)
    state = _State()
    issued = _Issued(weather_at, settings, days.start - 7 * settings.calibration_weeks - 7)
    for day in days:
        start = day * QUARTERS_PER_DAY + settings.day_start_quarter
        began = stopwatch()
        _learn(state, history.until(start - plan.delay), issued, cell, plan, limit_w, (day - days.start, start))
        spent = stopwatch() - began
        for origin in range(start, start + QUARTERS_PER_DAY, plan.every):
            began = stopwatch()
            forecast = _forecast(state, history, issued.at(origin), origin, plan)
            share = spent * plan.every / QUARTERS_PER_DAY
            yield BacktestOrigin(origin=origin, forecast=forecast, cpu_s=stopwatch() - began + share)


def _learn(
    state: _State,
    known: LoadHistory,
    issued: "_Issued",
    cell: Ints,
    plan: BacktestPlan,
    limit_w: Floats | None,
    at: tuple[int, int],
) -> None:
    """Learn from yesterday, and refit when it is time."""
    nth_day, start = at
    settings = issued.settings
    stitched = issued.designs(start)
    if state.model is not None and nth_day % plan.refit_days:
        state.model = update(state.model, _recent(known), stitched.weather, designs=stitched)
    else:
        state.model = fit(
            known,
            issued.at(start),
            cell,
            settings,
            designs=issued.observed_designs(start),
            as_forecast=stitched,
            limit_w=limit_w,
            previous=state.model,
        )


def _forecast(state: _State, history: LoadHistory, weather: Weather, origin: int, plan: BacktestPlan) -> LoadForecast:
    model = state.model
    assert model is not None
    if weather is not state.weather or state.designs is None:
        state.designs, state.weather = Designs(weather, model.settings), weather
        state.daily = None
    recent = _recent(history.until(origin - plan.delay))
    window = Window(origin, plan.horizon)
    first_quarter = model.settings.day_start_quarter
    starts_day = (origin - first_quarter) % QUARTERS_PER_DAY == 0
    if state.daily is None or starts_day:
        longest = Window(origin, plan.horizon + QUARTERS_PER_DAY)
        state.daily = forecast_days(model, recent, weather, window=longest, designs=state.designs)
    return predict(model, recent, weather, window=window, designs=state.designs, daily=state.daily)


def _recent(history: LoadHistory) -> LoadHistory:
    return history.since(history.window.end - REACH_BACK)


class _Issued:
    """The weather of each day as it was known when the day began."""

    def __init__(self, weather_at: Callable[[int], Weather], settings: ForecastSettings, first_day: int) -> None:
        self._weather_at, self.settings, self._first_day = weather_at, settings, first_day
        self._known: dict[int, Weather] = {}
        self._designs: tuple[Weather, Designs] | None = None
        self._days: dict[int, dict[str, Floats]] = {}

    def at(self, quarter: int) -> Weather:
        if quarter not in self._known:
            self._known = {quarter: self._weather_at(quarter)}
        return self._known[quarter]

    def observed_designs(self, quarter: int) -> Designs:
        return self._of(self.at(quarter))

    def designs(self, until: int) -> Designs:
        """Designs of the days before `until` as each was forecast; of the weather itself where it never changes."""
        newest = self.at(until)
        if self._weather_at(until - QUARTERS_PER_DAY) is newest:
            return self._of(newest)
        return Designs(self._stitched(newest, until), self.settings)

    def _of(self, weather: Weather) -> Designs:
        if self._designs is None or self._designs[0] is not weather:
            self._designs = (weather, Designs(weather, self.settings))
        return self._designs[1]

    def _day(self, quarter: int) -> dict[str, Floats]:
        """The day that begins at a quarter, as it was known then."""
        if quarter not in self._days:
            known = self._weather_at(quarter)
            at = slice(quarter - known.window.first, quarter - known.window.first + QUARTERS_PER_DAY)
            self._days[quarter] = {name: getattr(known, name)[:, at] for name in WEATHER_VARIABLES}
        return self._days[quarter]

    def _stitched(self, newest: Weather, until: int) -> Weather:
        values = {name: getattr(newest, name).copy() for name in WEATHER_VARIABLES}
        start = self._first_day * QUARTERS_PER_DAY + self.settings.day_start_quarter
        for quarter in range(max(start, newest.window.first), until, QUARTERS_PER_DAY):
            here = slice(quarter - newest.window.first, quarter - newest.window.first + QUARTERS_PER_DAY)
            for name, column in values.items():
                column[:, here] = self._day(quarter)[name]
        return replace(
            newest,
            temperature_c=values["temperature_c"],
            global_radiation_w_m2=values["global_radiation_w_m2"],
            wind_speed_m_s=values["wind_speed_m_s"],
        )
