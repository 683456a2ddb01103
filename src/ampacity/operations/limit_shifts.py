"""By how much limits that people set differ from the ratings, laid over headroom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.network import Direction
from ampacity.operations.settings import CycleSettings
from ampacity.people import LimitChange, LimitKind, effective_limit_w
from ampacity.ports import Floats, Steps
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window


@dataclass(frozen=True, kw_only=True)
class LimitShifts:
    """Override minus rating [W] of the elements that have one: number to (3, T) over the window."""

    window: Window
    by_element: Mapping[int, Floats]

    def over(self, element_no: int, steps: Steps) -> Floats:
        """The shift of one element per step [W], (3, S): the least of the quarters in a step."""
        first = steps.first - self.window.first
        shift_w = self.by_element[element_no][:, first : first + steps.count * steps.quarters]
        least_w: Floats = shift_w.reshape(3, steps.count, steps.quarters).min(axis=2)
        return least_w

    def apply(self, headroom_w: Mapping[Direction, Floats], elements: range, steps: Steps) -> None:
        """Shift the headroom (E, 3, S) of a block of elements, in both directions and in place."""
        for element_no in (e for e in self.by_element if e in elements):
            shift_w = self.over(element_no, steps)
            for direction in headroom_w:
                headroom_w[direction][element_no] += shift_w


def reach(origin: int, cycle: CycleSettings) -> Window:
    """The quarters that a cycle decides on, fallbacks included, from a whole hour on."""
    first = origin - origin % QUARTERS_PER_HOUR
    return Window(first, max(cycle.fallback_days * QUARTERS_PER_DAY, cycle.horizon + QUARTERS_PER_HOUR))


def limit_shifts(rated_w: Floats, changes: Sequence[LimitChange], window: Window) -> LimitShifts:
    """What overrides make of the ratings [W], shape (E, 3), in a window.

    Emergencies are taken from headroom by `restrained`; while one holds, its element is not raised.
    """
    by_element: dict[int, Floats] = {}
    for element_no in sorted({c.element_no for c in changes}):
        own_w = np.asarray(rated_w[element_no], float)
        mine = [c for c in changes if c.element_no == element_no]
        overrides = [c for c in mine if c.kind is LimitKind.OVERRIDE]
        limit_w = effective_limit_w(own_w, overrides, window)
        lowered = effective_limit_w(own_w, mine, window) < limit_w
        shift_w = limit_w - own_w[:, None]
        by_element[element_no] = np.where(lowered, np.minimum(shift_w, 0.0), shift_w)
    return LimitShifts(window=window, by_element=by_element)
