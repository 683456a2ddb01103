"""What a run of forecasts needs to know, gathered once for all blocks of elements."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from ampacity.errors import NotReady
from ampacity.forecasting import Designs, ForecastSettings, Weather, days_of_window
from ampacity.forecasting.profiles import PROFILE_KINDS
from ampacity.network import Network
from ampacity.network.batches import Batch
from ampacity.operations.bases import WEATHER_HOURS
from ampacity.operations.limit_shifts import LimitShifts, limit_shifts, reach
from ampacity.operations.settings import CycleSettings
from ampacity.ports import CycleStore, Floats, GridStore, Ints, KeptModel
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window, moment_of, quarter_at

ELEMENTS_PER_BLOCK = 512
LONGEST_PERIOD = WEATHER_HOURS * QUARTERS_PER_HOUR
GRACE_DAYS = 1  # a model is refitted beside the cycles; a cycle does it itself only where that did not happen


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run of forecasts needs to know; the same for every block."""

    network: Network
    limit_w: Floats  # (E, 3) by the rating
    shifts: LimitShifts  # what people set instead
    weather: Weather
    designs: Designs  # shared columns of the regression, made once for all blocks
    cell: Ints  # (E,) index of the weather cell, -1 for none
    connections: Floats  # (E, 4) how many connections of each of PROFILE_KINDS are behind an element
    origin: int  # the quarter from which on is forecast
    made_at: datetime
    forecast: ForecastSettings
    cycle: CycleSettings
    with_fallback: bool

    @property
    def known_at(self) -> datetime:
        """Up to when measurements count as known."""
        return self.made_at - timedelta(minutes=self.cycle.measurement_delay_min)

    @property
    def ahead(self) -> Window:
        """The quarters to forecast."""
        return Window(self.origin, self.cycle.horizon)

    @property
    def day_start(self) -> int:
        """The quarter at which the day of the origin starts, for the forecast."""
        first = self.forecast.day_start_quarter
        return days_of_window(self.ahead, first)[0] * QUARTERS_PER_DAY + first

    def without_grid(self) -> "Plan":
        """What forecasts of blocks need of it: all but the records of the grid."""
        none = np.zeros(0, np.int64)
        return replace(self, network=Batch(none, none).part(self.network))

    def limit_of(self, block: range) -> Floats:
        """What the phases of a block may carry by their rating [W], float32 (E, 3)."""
        return self.limit_w[block.start : block.stop].astype(np.float32)


async def make_plan(
    at: datetime,
    *,
    grid: GridStore,
    cycles: CycleStore,
    forecast: ForecastSettings,
    cycle: CycleSettings,
    origin: int | None = None,
) -> Plan:
    """What forecasts made at the start of a quarter hour need; they start there, or at a later quarter `origin`.

    Raises:
        NotReady: there is no grid yet.
    """
    network = await grid.network()
    if not network.elements:
        raise NotReady("there is no grid yet: import a folder first")
    newest_fallback = await cycles.fallback_made_at(at)
    origin = quarter_at(at) if origin is None else origin
    told = await grid.weather(weather_window(origin, cycle), at)
    weather = told.trusted_for(cycle.weather_stale_after_h * 3600)
    ahead = reach(origin, cycle)
    changes = await grid.limit_changes(ahead, at)
    return Plan(
        network=network,
        limit_w=network.limit_w(cycle.power_factor),
        shifts=limit_shifts(network.limit_w(cycle.power_factor), changes, ahead),
        weather=weather,
        designs=Designs(weather, forecast),
        cell=nearest_cell(network, weather),
        connections=_connections(network),
        origin=origin,
        made_at=at,
        forecast=forecast,
        cycle=cycle,
        with_fallback=newest_fallback is None or at - newest_fallback >= cycle.fallback_every,
    )


def _connections(network: Network) -> Floats:
    found = np.zeros((len(network.elements), len(PROFILE_KINDS)), np.float32)
    for e, element in enumerate(network.elements):
        for kind, number in element.connections:
            found[e, PROFILE_KINDS.index(kind.value)] = number
    return found


def element_blocks(elements: int) -> list[range]:
    """Numbers of the elements of each block."""
    return [range(i, min(i + ELEMENTS_PER_BLOCK, elements)) for i in range(0, elements, ELEMENTS_PER_BLOCK)]


def needs_fit(model: KeptModel | None, block: range, plan: Plan) -> bool:
    """Whether a block has no model that can be used."""
    if model is None or model.elements != len(block):
        return True
    return plan.made_at - model.fitted_at >= timedelta(days=plan.cycle.refit_after_days + GRACE_DAYS)


def is_fit_day(block: range, at: datetime, every_days: int) -> bool:
    """Whether this is a block's day to be fitted anew: each has its share, also of blocks that were fitted together."""
    return (at.toordinal() + block.start // ELEMENTS_PER_BLOCK) % every_days == 0


def nearest_cell(network: Network, weather: Weather) -> Ints:
    """Index of each element's nearest weather cell, shape (E,); without coordinates the only cell, else -1."""
    only = 0 if len(weather.latitude) == 1 else -1
    cell = np.full(len(network.elements), only, np.int64)
    places = [(i, e.latitude, e.longitude) for i, e in enumerate(network.elements)]
    placed = [(i, lat, lon) for i, lat, lon in places if lat is not None and lon is not None]
    if placed and len(weather.latitude):
        rows, lat, lon = (np.array(column, float) for column in zip(*placed, strict=True))
        east = np.cos(np.radians(lat))[:, None] * (lon[:, None] - weather.longitude)
        cell[rows.astype(int)] = np.argmin((lat[:, None] - weather.latitude) ** 2 + east**2, axis=1)
    return cell


def weather_window(origin: int, settings: CycleSettings) -> Window:
    """The weather that a fit and a forecast made at a quarter can use; a base serves for some hours."""
    past = settings.history_days * QUARTERS_PER_DAY
    return Window(origin - past, past + max(settings.horizon + LONGEST_PERIOD, 2 * QUARTERS_PER_DAY))


async def issued_designs(plan: Plan, grid: GridStore) -> Designs:
    """Designs of the weather as it was known when yesterday began: what yesterday's errors are to be judged with."""
    first = plan.forecast.day_start_quarter
    today = (plan.origin - first) // QUARTERS_PER_DAY * QUARTERS_PER_DAY + first
    window = weather_window(plan.origin, plan.cycle)
    return Designs(await grid.weather(window, moment_of(today - QUARTERS_PER_DAY)), plan.forecast)
