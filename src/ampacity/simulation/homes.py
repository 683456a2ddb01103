"""What homes draw: rhythms of the day and the week, heat pumps, solar panels and chance, as matrices."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ampacity.simulation.sky import Sky
from ampacity.timegrid import Window, local_calendar

Floats = NDArray[np.floating]

# Mean load of one home where each rhythm is at its height [W]; what a home has on average [W].
BUMPS = ((7.5, 1.2, 250.0), (12.5, 2.2, 180.0), (18.8, 1.9, 620.0), (21.8, 1.4, 260.0))  # local hour, width [h], height
ALWAYS_W = 170.0
PANEL_W = 4000.0  # peak power of a home's solar panels
HEAT_W_PER_K = 130.0  # heat that a home loses for each degree below 16 °C
CHANCE_HOURS = 3.0  # how long a home's deviation from its rhythm lasts
PEAK_HOME_W = 1300.0  # a home's part of the evening peak, for choosing ratings


@dataclass(frozen=True, kw_only=True)
class Homes:
    """How many of what hang on each of R cable phases, shape (R,); and how each lives, shape (R, K)."""

    homes: Floats
    panels: Floats  # homes with solar panels
    heat_pumps: Floats
    habits: Floats  # factor on each rhythm


def rhythms_w(window: Window, sky: Sky, zone: ZoneInfo) -> Floats:
    """What one home, one heat pump and one roof draw per quarter [W], shape (K + 2, T): K rhythms, heat, sun."""
    temperature_c = sky.temperature_c[: window.count]
    calendar = local_calendar(window, zone)
    weekend = calendar.weekday >= 5
    rows = [np.full(window.count, ALWAYS_W)]
    for hour, width_h, height_w in BUMPS:
        late_h = np.where(weekend & (hour < 12), 1.5, 0.0)  # people sleep longer
        away_h = (calendar.hour - hour - late_h + 12.0) % 24.0 - 12.0
        bump_w = height_w * np.exp(-0.5 * (away_h / width_h) ** 2)
        rows += [np.where(weekend, 0.0, bump_w), np.where(weekend, 1.2 * bump_w, 0.0)]
    cold_k = np.maximum(16.0 - temperature_c, 0.0)
    performance = np.clip(2.0 + 0.09 * (temperature_c + 10.0), 1.8, 5.0)
    asleep = (calendar.hour < 5.5) | (calendar.hour >= 23.0)
    rows.append(HEAT_W_PER_K * cold_k / performance * np.where(asleep, 0.7, 1.1))
    rows.append(-PANEL_W * 0.85 * sky.global_radiation_w_m2[: window.count] / 1000.0)
    return np.stack(rows).astype(np.float32)


def draw_homes(counts: NDArray[np.int64], rng: np.random.Generator) -> Homes:
    """Homes on the three phases of cables that have `counts` of them, unevenly as in a street; R = 3 x cables."""
    even = counts * 7 // 30  # 70 % were connected in turn, the others by chance
    phases = (even[:, None] + rng.multinomial(counts - 3 * even, [1 / 3] * 3)).reshape(-1)
    street = np.repeat(rng.lognormal(0.0, 0.25, (len(counts), 1 + 2 * len(BUMPS))), 3, axis=0)
    return Homes(
        homes=phases.astype(np.float64),
        panels=rng.binomial(phases, np.repeat(rng.uniform(0.05, 0.45, len(counts)), 3)).astype(np.float64),
        heat_pumps=rng.binomial(phases, np.repeat(rng.uniform(0.0, 0.3, len(counts)), 3)).astype(np.float64),
        habits=street * rng.lognormal(0.0, 0.1, (len(phases), street.shape[1])),
    )


def load_of(homes: Homes, rhythm_w: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """What the homes on each cable phase draw [W], shape (R, T); chance is the greater, the fewer they are."""
    weights = np.concatenate(
        [homes.habits * homes.homes[:, None], homes.heat_pumps[:, None], homes.panels[:, None]], axis=1
    )
    load_w: NDArray[np.float32] = weights.astype(np.float32) @ rhythm_w.astype(np.float32)
    spread_w = (330.0 * np.sqrt(homes.homes)).astype(np.float32)[:, None]
    quarters = rhythm_w.shape[1]
    slow = _wandering_rows(len(weights), -(-quarters // 4), rng)
    noise = rng.standard_normal(load_w.shape, np.float32)
    noise *= np.float32(0.5) * spread_w
    load_w += noise
    load_w += np.repeat(slow * spread_w, 4, axis=1)[:, :quarters]
    return load_w


def _wandering_rows(rows: int, hours: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Hourly autoregressive series of deviation 1, one in each row, shape (rows, hours)."""
    keep = np.float32(np.exp(-1.0 / CHANCE_HOURS))
    series = rng.standard_normal((hours, rows), np.float32)
    series[1:] *= np.sqrt(1 - keep**2)
    for hour in range(1, hours):
        series[hour] += keep * series[hour - 1]
    return series.T
