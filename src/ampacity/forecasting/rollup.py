"""Forecasts of an element and of those behind it, brought together.

Medians add up; margins do not: errors of neighbours are alike in part.  The margin of a sum is that of
equally correlated errors, m² = (1 - c) Σ mᵢ² + c (Σ mᵢ)², with the correlation c learnt from their loads.
"""

import numpy as np

from ampacity.forecasting.types import Floats, Floats32, LoadForecast
from ampacity.timegrid import QUARTERS_PER_DAY

UNKNOWN_CORRELATION = 0.5


def correlation_of(load_w: Floats32) -> float:
    """How alike the departures of some loads from their usual day are, 0 to 1.

    From the variance of their sum: Var Σ = (1 - c) Σ Var + c (Σ sd)².

    Args:
        load_w: (N, T) of whole days; NaN unknown.
    """
    days = load_w.shape[1] // QUARTERS_PER_DAY
    by_day = load_w[:, : days * QUARTERS_PER_DAY].reshape(len(load_w), days, QUARTERS_PER_DAY).astype(np.float64)
    if days < 7 or len(load_w) < 2:
        return UNKNOWN_CORRELATION
    departure = (by_day[:, 1:] - by_day[:, :-1]).reshape(len(load_w), -1)
    known = np.isfinite(departure).all(axis=0)
    if known.sum() < QUARTERS_PER_DAY:
        return UNKNOWN_CORRELATION
    sd = departure[:, known].std(axis=1)
    apart, together = float((sd**2).sum()), float(sd.sum() ** 2)
    if together - apart <= 1e-9 * together:
        return UNKNOWN_CORRELATION
    return float(np.clip((departure[:, known].sum(axis=0).var() - apart) / (together - apart), 0, 1))


def rolled_up(forecast: LoadForecast, members: Floats, correlation: float) -> Floats32:
    """Quantiles of the sum of some elements per phase [W], (Q, 3, T): of an element that has no meter.

    Args:
        members: which elements add up, (E,) of bool; a phase that one of them lacks counts as nothing.
        correlation: of their errors, 0 to 1.
    """
    load_w = np.nan_to_num(forecast.load_w[:, members])
    median = np.nan_to_num(forecast.at(0.5)[members])
    margin = load_w - median
    apart, together = np.sqrt((margin**2).sum(axis=1)), np.abs(margin).sum(axis=1)
    size = np.sqrt((1 - correlation) * apart**2 + correlation * together**2)
    found: Floats32 = (median.sum(axis=0) + np.sign(np.array(forecast.levels) - 0.5)[:, None, None] * size).astype(
        np.float32
    )
    return found


def rest_of(parent_w: Floats32, summed_w: Floats32, levels: tuple[float, ...]) -> Floats32:
    """Quantiles of what a parent carries beyond the sum of some children [W], (Q, 3, T).

    The errors count as independent: m² is the sum of both.
    """
    middle = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    margin = np.hypot(parent_w - parent_w[middle], summed_w - summed_w[middle])
    sign = np.sign(np.array(levels) - 0.5)[:, None, None]
    return np.asarray(parent_w[middle] - summed_w[middle] + sign * margin, np.float32)


def shared_out(parent_w: Floats32, levels: tuple[float, ...], share: Floats) -> Floats32:
    """Quantiles of elements without a meter from those of their parent's rest [W], (Q, N, 3, T).

    A share of the load, and the square root of it of the margin: what is uncertain about a part does not shrink as
    fast as the part.  Shares add up to one.

    Args:
        parent_w: (Q, 3, T), of what the parent's metered children do not carry.
        share: (N,) or by phase (N, 3), for example of the rated powers.
    """
    median = parent_w[int(np.argmin(np.abs(np.array(levels) - 0.5)))]
    margin = parent_w - median
    part = share[:, None, None] if share.ndim == 1 else share[:, :, None]
    found: Floats32 = (part * median + np.sqrt(part) * margin[:, None]).astype(np.float32)
    return found


def disagreement(forecast: LoadForecast, parent: int, summed_w: Floats32) -> Floats:
    """Share of quarters in which a parent's median lies outside the outer quantiles of its children's sum, (3,)."""
    median = forecast.at(0.5)[parent]
    outside = (median < summed_w[0]) | (median > summed_w[-1])
    return np.where(np.isfinite(median).all(axis=1), outside.mean(axis=1), 0.0)
