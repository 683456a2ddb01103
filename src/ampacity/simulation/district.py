"""A made-up district of any size: transformers, cables, homes, groups that want more than there is, weather."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ampacity.intake import InputFolder, LoadSeries, WeatherTable
from ampacity.network import Element, ElementId, Group, GroupId, Network, PowerUnit, Provider, ProviderId
from ampacity.simulation.homes import PEAK_HOME_W, draw_homes, load_of, rhythms_w
from ampacity.simulation.sky import Sky, sky_over, wandering
from ampacity.timegrid import QUARTER_S, QUARTERS_PER_HOUR, Window

CABLE_RATINGS_A = np.array([100.0, 142.0, 210.0, 275.0, 357.0])
TRANSFORMER_RATINGS_VA = np.array([50, 100, 160, 250, 400, 630, 1000, 1600, 2500]) * 1000.0
NOMINAL_VOLTAGE_V = 400.0
PROVIDER_NAMES = ("North Charging", "Harbour Mobility", "Meadow Fleet", "Station Energy")
WANTED = 1.6  # what the groups of a cable want together, as a multiple of what it carries
FIRM = 0.15
LOSS = 0.008  # of a transformer's load
CABLES_PER_BLOCK = 400  # part of what a plan means: chance is drawn block by block
FORECAST_HOURS = (24, 48)  # how long before its hour each weather forecast is made
QUARTERS_AHEAD = max(FORECAST_HOURS) * QUARTERS_PER_HOUR

Loads = NDArray[np.float32]


class _Purpose(IntEnum):
    """What a stream of random numbers is for."""

    HOMES = 1
    SKY = 2
    FORECAST = 3
    COUNTS = 4


@dataclass(frozen=True, kw_only=True)
class DistrictPlan:
    """What to make; the same plan is the same district, to the last bit."""

    seed: int = 1
    homes: int = 400
    cables: int = 8
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    days: int = 56
    cables_per_transformer: int = 8
    groups_per_cable: int = 2
    latitude: float = 52.1
    longitude: float = 5.3
    zone: str = "Europe/Amsterdam"

    def __post_init__(self) -> None:
        least = {"homes": 0, "cables": 1, "days": 1, "cables_per_transformer": 1, "groups_per_cable": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} is {getattr(self, name)}, must be {smallest} or more")
        if self.start.tzinfo is None:
            raise ValueError(f"start {self.start.isoformat()} has no time zone: moments are aware")

    @property
    def window(self) -> Window:
        """The quarters for which the district is measured."""
        return Window.between(self.start, self.start + timedelta(days=self.days))

    @property
    def homes_of_cables(self) -> NDArray[np.int64]:
        """How many homes each cable has, shape (cables,): unequal, `homes` in all."""
        rng = self.chance(_Purpose.COUNTS)
        return rng.multinomial(self.homes, rng.dirichlet(np.full(self.cables, 12.0)))

    def chance(self, *purpose: int) -> np.random.Generator:
        """Random numbers of their own for each purpose."""
        return np.random.default_rng([self.seed, *purpose])


def make_district(plan: DistrictPlan) -> InputFolder:
    """The whole district in memory, 63 KiB for each element and eight weeks; see `blocks` for a large one."""
    network = district_network(plan)
    return InputFolder(
        network=network,
        measurements=LoadSeries(window=plan.window, load_w=np.concatenate([part_w for _, part_w in blocks(plan)])),
        group_measurements=LoadSeries.empty(len(network.groups), plan.window.first),
        weather=district_weather(plan),
    )


def blocks(plan: DistrictPlan) -> Iterator[tuple[slice, Loads]]:
    """The measured loads [W] part by part: which elements of `district_network`, and theirs, shape (n, 3, T)."""
    homes = plan.homes_of_cables
    rhythm_w = rhythms_w(plan.window, sky_of(plan), ZoneInfo(plan.zone))
    at_once = max(1, CABLES_PER_BLOCK // plan.cables_per_transformer) * plan.cables_per_transformer
    first = 0
    for cable in range(0, plan.cables, at_once):
        counts = homes[cable : cable + at_once]
        rng = plan.chance(_Purpose.HOMES, cable)
        cable_w = load_of(draw_homes(counts, rng), rhythm_w, rng).reshape(len(counts), 3, -1)
        load_w = _with_transformers(cable_w, plan.cables_per_transformer)
        yield slice(first, first + len(load_w)), load_w
        first += len(load_w)


def _with_transformers(cable_w: Loads, cables_each: int) -> Loads:
    """The loads of some cables with each transformer's before those of its cables: their sum and its losses."""
    parts: list[Loads] = []
    for first in range(0, len(cable_w), cables_each):
        behind_w = cable_w[first : first + cables_each]
        total_w = behind_w.sum(axis=0, keepdims=True)
        parts += [total_w + LOSS * np.abs(total_w), behind_w]
    return np.concatenate(parts)


def sky_of(plan: DistrictPlan) -> Sky:
    """The weather over the plan's window and two days more, of which there are forecasts."""
    longer = Window(plan.window.first, plan.window.count + QUARTERS_AHEAD)
    return sky_over(longer, plan.latitude, plan.longitude, plan.chance(_Purpose.SKY))


def district_weather(plan: DistrictPlan) -> WeatherTable:
    """Hourly rows: what was observed, and what was forecast 24 and 48 hours before, up to 48 hours after the end."""
    sky = sky_of(plan)
    hour = np.arange(QUARTERS_PER_HOUR, len(sky.temperature_c) + 1, QUARTERS_PER_HOUR)
    valid_at = ((plan.window.first + hour) * QUARTER_S).view("datetime64[s]")
    known = np.minimum(hour, len(sky.temperature_c) - 1)
    preceding_hour_w_m2 = sky.global_radiation_w_m2.reshape(-1, QUARTERS_PER_HOUR).mean(axis=1)
    truth = np.stack([sky.temperature_c[known], preceding_hour_w_m2, sky.wind_speed_m_s[known]])
    observed = hour <= plan.window.count
    available, valid, values = [valid_at[observed]], [valid_at[observed]], [truth[:, observed]]
    for lead_h in FORECAST_HOURS:
        available.append(valid_at - np.timedelta64(lead_h, "h"))
        valid.append(valid_at)
        values.append(_as_forecast(truth, lead_h, plan.chance(_Purpose.FORECAST, lead_h)))
    temperature_c, radiation_w_m2, wind_m_s = np.concatenate(values, axis=1)
    return WeatherTable(
        available_at=np.concatenate(available),
        valid_at=np.concatenate(valid),
        latitude=np.full(len(temperature_c), plan.latitude),
        longitude=np.full(len(temperature_c), plan.longitude),
        temperature_c=temperature_c.round(2),
        global_radiation_w_m2=radiation_w_m2.round(1),
        wind_speed_m_s=wind_m_s.round(2),
    )


def _as_forecast(truth: NDArray[np.float64], lead_h: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The truth as it was forecast: errors that last for hours and grow with the lead time; shape (3, hours)."""
    errors = np.stack([wandering(truth.shape[1], 12.0, rng) for _ in truth]) * np.sqrt(lead_h / 24.0)
    return np.stack(
        [truth[0] + 0.9 * errors[0], truth[1] * np.exp(0.22 * errors[1]), truth[2] * np.exp(0.18 * errors[2])]
    )


def district_network(plan: DistrictPlan) -> Network:
    """The grid: each transformer is followed by its cables; the groups of a cable want 1.6 times what it carries."""
    homes = plan.homes_of_cables
    elements: list[Element] = []
    groups: list[Group] = []
    for first in range(0, plan.cables, plan.cables_per_transformer):
        behind = homes[first : first + plan.cables_per_transformer]
        transformer = _transformer(first // plan.cables_per_transformer, int(behind.sum()), plan)
        cables = [_cable(first + i, int(count), transformer, plan) for i, count in enumerate(behind)]
        elements += [transformer, *cables]
        groups += [group for i, cable in enumerate(cables) for group in _groups(cable, first + i, plan)]
    return Network.of(elements, groups, providers_of(plan))


def providers_of(plan: DistrictPlan) -> list[Provider]:
    """Two providers, or as many as a cable has groups."""
    count = max(2, plan.groups_per_cable)
    names = [PROVIDER_NAMES[k] if k < len(PROVIDER_NAMES) else f"Provider {k + 1}" for k in range(count)]
    return [Provider(provider_id=ProviderId(name.lower().replace(" ", "-")), name=name) for name in names]


def _transformer(number: int, homes: int, plan: DistrictPlan) -> Element:
    needed_va = 1.4 * PEAK_HOME_W * homes
    rating_va = _rating(TRANSFORMER_RATINGS_VA, needed_va)
    return Element(
        element_id=ElementId(f"transformer-{number + 1}"),
        kind="transformer",
        parent_id=None,
        nominal_voltage_v=NOMINAL_VOLTAGE_V,
        rated_current_a=None,
        rated_power_va=rating_va,
        phases=(1, 2, 3),
        latitude=plan.latitude,
        longitude=plan.longitude,
        name=f"Transformer {number + 1}, {rating_va / 1000:g} kVA, {homes} homes",
    )


def _cable(number: int, homes: int, transformer: Element, plan: DistrictPlan) -> Element:
    needed_a = 1.6 * PEAK_HOME_W * homes / (np.sqrt(3.0) * NOMINAL_VOLTAGE_V)
    return Element(
        element_id=ElementId(f"cable-{number + 1}"),
        kind="cable",
        parent_id=transformer.element_id,
        nominal_voltage_v=NOMINAL_VOLTAGE_V,
        rated_current_a=_rating(CABLE_RATINGS_A, needed_a),
        rated_power_va=None,
        phases=(1, 2, 3),
        latitude=plan.latitude,
        longitude=plan.longitude,
        name=f"Cable {number + 1}, {homes} homes",
    )


def _rating(ladder: NDArray[np.float64], needed: float) -> float:
    """The smallest rating of the ladder that suffices, or as many of its largest side by side as are needed."""
    suffices = ladder[ladder >= needed]
    return float(suffices[0] if suffices.size else ladder[-1] * np.ceil(needed / ladder[-1]))


def _groups(cable: Element, number: int, plan: DistrictPlan) -> Iterator[Group]:
    """The groups of a cable, each smaller than the one before; every second cable begins with another provider."""
    assert cable.rated_current_a is not None
    carries_w = np.sqrt(3.0) * NOMINAL_VOLTAGE_V * cable.rated_current_a
    weights = 1.0 / (1.0 + 0.5 * np.arange(plan.groups_per_cable))
    providers = providers_of(plan)
    for k, share in enumerate(weights / weights.sum()):
        provider_id = providers[(number + k) % len(providers)].provider_id
        wanted_w = float(np.round(WANTED * carries_w * share, -2))
        yield Group(
            group_id=GroupId(f"{cable.element_id}-{provider_id}"),
            provider_id=provider_id,
            element_id=cable.element_id,
            phases=cable.phases,
            contracted_import_w=wanted_w,
            firm_import_w=float(np.round(FIRM * wanted_w)),
            contracted_export_w=float(np.round(wanted_w / 2)),
            firm_export_w=0.0,
            unit=(PowerUnit.A, PowerUnit.KW, PowerUnit.W)[k % 3],
        )
