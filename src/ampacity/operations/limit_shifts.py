"""By how much limits that people set differ from the ratings, laid over headroom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.network import Direction
from ampacity.operations.settings import CycleSettings
from ampacity.people import LimitChange, LimitKind, effective_limit_w
from ampacity.ports import Floats, Ints, Steps
from ampacity.timegrid import QUARTERS_PER_DAY, QUARTERS_PER_HOUR, Window


@dataclass(frozen=True, kw_only=True)
class LimitShifts:
    """Override minus rating [W] of the elements that have one: number to (3, T) over the window.

    `cautious` has no raise where an emergency was known to hold.
    """

    window: Window
    by_element: Mapping[int, Floats]
    cautious: Mapping[int, Floats]

    def over(self, element_no: int, steps: Steps, *, cautious: bool = False) -> Floats:
        """The shift of one element per step [W], (3, S): the least of the quarters in a step; 0 where there is none."""
        shifts = self.cautious if cautious else self.by_element
        if element_no not in shifts:
            return np.zeros((3, steps.count))
        first = steps.first - self.window.first
        shift_w = shifts[element_no][:, first : first + steps.count * steps.quarters]
        least_w: Floats = shift_w.reshape(3, steps.count, steps.quarters).min(axis=2)
        return least_w

    def among(self, elements: Ints) -> "LimitShifts":
        """The same of some elements, given ascending, by their places there."""
        place = {int(e): i for i, e in enumerate(elements)} if self.by_element else {}
        by_element, cautious = (
            {place[e]: shift_w for e, shift_w in shifts.items() if e in place}
            for shifts in (self.by_element, self.cautious)
        )
        return LimitShifts(window=self.window, by_element=by_element, cautious=cautious)

    def apply(
        self, headroom_w: Mapping[Direction, Floats], elements: range, steps: Steps, *, cautious: bool = False
    ) -> None:
        """Shift the headroom (E, 3, S) of a block of elements, the rows of its arrays, in both directions, in place."""
        for element_no in (e for e in self.by_element if e in elements):
            shift_w = self.over(element_no, steps, cautious=cautious)
            for direction in headroom_w:
                headroom_w[direction][element_no - elements.start] += shift_w


def reach(origin: int, cycle: CycleSettings) -> Window:
    """The quarters that a cycle decides on, fallbacks included, from a whole hour on."""
    first = origin - origin % QUARTERS_PER_HOUR
    return Window(first, max(cycle.fallback_days * QUARTERS_PER_DAY, cycle.horizon + QUARTERS_PER_HOUR))


def limit_shifts(rated_w: Floats, changes: Sequence[LimitChange], window: Window) -> LimitShifts:
    """What overrides make of the ratings [W], shape (E, 3), in a window.

    Emergencies are taken from what is then left by `restrained`, when the shares are decided.
    """
    by_element: dict[int, Floats] = {}
    cautious: dict[int, Floats] = {}
    for element_no in sorted({c.element_no for c in changes}):
        own_w = np.asarray(rated_w[element_no], np.float64)
        mine = [c for c in changes if c.element_no == element_no]
        limit_w = overridden_w(own_w, mine, window)
        shift_w = limit_w - own_w[:, None]
        lowered = effective_limit_w(own_w, mine, window) < limit_w
        by_element[element_no] = shift_w
        cautious[element_no] = np.where(lowered, np.minimum(shift_w, 0.0), shift_w)
    return LimitShifts(window=window, by_element=by_element, cautious=cautious)


def overridden_w(rated_w: Floats, changes: Sequence[LimitChange], window: Window) -> Floats:
    """What each phase of one element may carry by its rating and overrides alone [W], (3, T)."""
    own_w = np.asarray(rated_w, np.float64)
    return effective_limit_w(own_w, [c for c in changes if c.kind is LimitKind.OVERRIDE], window)


def laid_overrides(
    then: Sequence[LimitChange], now: Sequence[LimitChange], element_no: int, without: int | None = None
) -> list[LimitChange]:
    """The overrides of an element on which headroom rests: those that its cycle knew, and what was laid on it at once.

    Args:
        then: Limits as the cycle knew them.
        now: Limits as they are known now.
        without: The number of one that shall not count.
    """
    laid = [c for c in then if not c.at_once] + [c for c in now if c.at_once]
    mine = [c for c in laid if c.kind is LimitKind.OVERRIDE and c.element_no == element_no]
    return sorted((c for c in mine if c.limit_no != without), key=lambda c: (c.set_at, c.limit_no))
