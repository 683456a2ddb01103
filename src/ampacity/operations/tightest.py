"""Where some elements are tightest in the next day, and what they carried in the last one, in figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampacity.forecasting import ForecastSource
from ampacity.operations.situation import Bools, State
from ampacity.ports import Floats, Ints
from ampacity.timegrid import QUARTERS_PER_HOUR, Window

TIGHT = 0.10  # of the limit: less headroom than that is tight
Measured: TypeAlias = tuple[Floats, Ints, Floats]  # newest total load, its quarter, hourly means; (E,), (E,), (E, 24)


@dataclass(frozen=True, kw_only=True)
class Tightest:
    """The least headroom of each element and where it is, (E,); the bound there, (E, 24)."""

    least_w: Floats
    of_w: Floats
    quarter: Ints
    phase: Ints
    export: Bools
    ahead_w: Floats


def figures_of(
    rooms: Sequence[tuple[Window, Floats] | None], limit_w: Floats, set_w: Mapping[int, Floats], ahead: Window,
    load_w: Floats, past: Window,
) -> tuple[Tightest, Measured]:  # fmt: skip
    """What is shown of some elements; arguments as of `_tightest` and `_measured`."""
    tightest = _tightest(rooms, limit_w, set_w, ahead)
    return tightest, _measured(load_w, tightest.phase, past)


def joined(parts: Sequence[tuple[Tightest, Measured]]) -> tuple[Tightest, Measured]:
    """The figures of all elements, from those of one part after the other."""
    columns = {f.name: np.concatenate([getattr(each, f.name) for each, _ in parts]) for f in fields(Tightest)}
    now_w, quarter, past_w = (np.concatenate(column) for column in zip(*(m for _, m in parts), strict=True))
    return Tightest(**columns), (now_w, quarter, past_w)


def _tightest(
    rooms: Sequence[tuple[Window, Floats] | None], limit_w: Floats, set_w: Mapping[int, Floats], ahead: Window
) -> Tightest:
    """The least headroom of each element in the quarters ahead, and where it is; `set_w` are limits that people set."""
    elements = limit_w.shape[0]
    least = np.full((2, elements), np.nan)
    place = np.zeros((2, elements), np.int64)
    bound_w = np.full((2, elements, 3, ahead.count), np.nan, np.float32)
    for d, room in enumerate(rooms):
        if room is None:
            continue
        covers, headroom_w = room
        start, stop = max(covers.first, ahead.first), min(covers.end, ahead.end)
        if start >= stop:
            continue
        into = bound_w[d, :, :, start - ahead.first : stop - ahead.first]
        into[:] = headroom_w[:elements, :, start - covers.first : stop - covers.first]
        into[limit_w <= 0] = np.nan
        filled = np.where(np.isnan(bound_w[d]), np.inf, bound_w[d]).reshape(elements, 3 * ahead.count)
        place[d] = filled.argmin(axis=1)
        least[d] = filled[np.arange(elements), place[d]]
    least[np.isinf(least)] = np.nan
    export = np.nan_to_num(least[1], nan=np.inf) < np.nan_to_num(least[0], nan=np.inf)
    chosen, rows = export.astype(int), np.arange(elements)
    phase, step = np.divmod(place[chosen, rows], ahead.count)
    known = ~np.isnan(least[chosen, rows])
    full_w = np.repeat(limit_w[rows, phase][:, None], ahead.count, axis=1)
    for element_no, own_w in set_w.items():
        full_w[element_no] = own_w[phase[element_no]]
    sign = np.where(export, -1.0, 1.0)[:, None]
    upper_w = sign * (full_w - bound_w[chosen, rows, phase])
    hourly = upper_w.reshape(elements, ahead.count // QUARTERS_PER_HOUR, QUARTERS_PER_HOUR)
    return Tightest(
        least_w=least[chosen, rows],
        of_w=full_w[rows, step],
        quarter=np.where(known, ahead.first + step, -1),
        phase=phase,
        export=export,
        ahead_w=np.where(export[:, None], hourly.min(axis=2), hourly.max(axis=2)),
    )


def _measured(load_w: Floats, phase: Ints, past: Window) -> Measured:
    """Newest total load, its quarter, and hourly means of one phase, (E,), (E,), (E, 24)."""
    total_w = np.where(np.isnan(load_w).all(axis=1), np.nan, np.nansum(load_w, axis=1))
    known = ~np.isnan(total_w)
    last = past.count - 1 - known[:, ::-1].argmax(axis=1)
    rows = np.arange(len(phase))
    has = known.any(axis=1)
    own_w = load_w[rows, phase].reshape(len(phase), past.count // QUARTERS_PER_HOUR, QUARTERS_PER_HOUR)
    count = (~np.isnan(own_w)).sum(axis=2)
    hourly_w = np.where(count > 0, np.nansum(own_w, axis=2) / np.maximum(count, 1), np.nan)
    return np.where(has, total_w[rows, last], np.nan), np.where(has, past.first + last, -1), hourly_w


def states(tightest: Tightest, limit_w: Floats, sources: NDArray[np.uint8]) -> Ints:
    """How each element stands, (E,); `sources` tells what the forecast of its phases rests on, (E, 3)."""
    there = limit_w > 0
    unknown = (~there | (sources <= ForecastSource.LIMIT)).all(axis=1) | np.isnan(tightest.least_w)
    state = np.full(limit_w.shape[0], State.OK, np.int64)
    with np.errstate(invalid="ignore"):
        state[tightest.least_w < TIGHT * tightest.of_w] = State.TIGHT
        state[tightest.least_w < 0] = State.OVER
    state[unknown] = State.UNKNOWN
    return state
