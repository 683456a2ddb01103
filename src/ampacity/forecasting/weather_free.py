"""The model that stands in where weather is missing: of the calendar alone, calibrated on its own errors.

It is fitted beside the model that knows the weather, for the same series, and learns from each day as that one does,
so that the margin of a quarter without weather is as calibrated as any.  The model that knows the weather neither
follows nor is judged by quarters of which the weather was not known.
"""

from dataclasses import replace

import numpy as np

from ampacity.forecasting.model import ForecastModel
from ampacity.forecasting.panel import Panel, Shared
from ampacity.forecasting.types import Bools, Floats32, ForecastSource, Ints
from ampacity.timegrid import QUARTERS_PER_DAY

WIDENING = 1.8  # of the margin, where weather of other days stands in: for models that have none beside them


def fitted_on(model: ForecastModel, rows: Ints) -> Bools:
    """Which of the weather's variables some series that share their arrays were fitted on, (3,)."""
    if int(model.cell[rows[0]]) < 0 or not model.experts:
        return np.zeros(3, bool)
    found: Bools = next(iter(model.experts.values())).shared["weather"][int(model.group[rows[0]])] > 0
    return found


def lacks_weather(model: ForecastModel, rows: Ints, shared: Shared) -> Bools:
    """The quarters of a design of which a variable is unknown that the model was fitted on, (T,).

    Args:
        rows: series that share their arrays.
    """
    return np.asarray(~shared.design.known[fitted_on(model, rows)].all(axis=0))


def with_weather_known(model: ForecastModel, rows: Ints, panel: Panel) -> Panel:
    """The panel with quarters whose weather was missing as unknown: nothing is learnt from them."""
    lacks = lacks_weather(model, rows, panel.shared)
    if not lacks.any():
        return panel
    return replace(panel, known=panel.known & ~lacks.reshape(-1, QUARTERS_PER_DAY))


def stood_in(model: ForecastModel, lacks: Bools, found_w: Floats32, free_w: Floats32 | None) -> Floats32:
    """Quantiles of the model's series, where weather lacks those of the weather-free model.

    Args:
        lacks: (S, T).
        found_w: quantiles (Q, S, T) from what weather there is.
        free_w: those of the weather-free model's series; None where there is no such model: then the margins are wide.
    """
    if model.weather_free is None or free_w is None:
        median = found_w[found_w.shape[0] // 2]
        return np.where(lacks, median + np.float32(WIDENING) * (found_w - median), found_w)
    out = found_w.copy()
    at = np.searchsorted(_key(model), _key(model.weather_free))
    out[:, at] = np.where(lacks[at], free_w, found_w[:, at])
    return out


def sources(model: ForecastModel, lacks: Bools) -> tuple[Ints, Bools]:
    """What each phase rests on (E, 3), and the quarters that rest on the calendar alone (E, 3, T).

    A phase is weather-free where all its quarters are.
    """
    source = model.source.copy()
    free = np.repeat((source == ForecastSource.WEATHER_FREE)[..., None], lacks.shape[1], axis=2)
    free[model.element, model.phase] |= lacks
    source[model.element, model.phase] = np.where(
        free[model.element, model.phase].all(axis=1), ForecastSource.WEATHER_FREE, source[model.element, model.phase]
    )
    return source, free


def _key(model: ForecastModel) -> Ints:
    found: Ints = model.element * 3 + model.phase
    return found
