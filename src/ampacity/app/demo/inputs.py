"""What the demonstration runs on, and when: a folder, or a made-up district; known up to a moment."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from ampacity.errors import Unsuitable
from ampacity.intake import InputFolder, LoadSeries
from ampacity.timegrid import Window, floor_quarter, moment_of, quarter_at

LIVE_DAYS = 7  # of the bundled district's record that are left to be lived through


@dataclass(frozen=True, kw_only=True)
class DemoInput:
    """An input and the moment at which the demonstration begins."""

    name: str
    given: InputFolder
    at: datetime

    @property
    def known(self) -> InputFolder:
        """What was known when it begins: nothing measured later."""
        series = self.given.measurements
        count = max(0, min(series.window.count, quarter_at(self.at) - series.window.first))
        window = Window(series.window.first, count)
        return replace(self.given, measurements=LoadSeries(window=window, load_w=series.load_w[:, :, :count]))


def demo_input(name: str, given: InputFolder, at: datetime | None, default_at: datetime) -> DemoInput:
    """An input with its begin.

    Raises:
        Unsuitable: nothing was measured before that moment, or no group can be served.
    """
    begin = floor_quarter(at or default_at)
    found = DemoInput(name=name, given=given, at=begin)
    if not np.isfinite(found.known.measurements.load_w).any():
        first = moment_of(given.measurements.window.first)
        raise Unsuitable(f"nothing is measured before {begin.isoformat()}: choose --at after {first.isoformat()}")
    if not given.network.groups:
        raise Unsuitable(f"{name} has no groups: there is nobody to tell anything")
    return found


def live_begin(given: InputFolder) -> datetime:
    """A moment that leaves a week of the record to be lived through, where there are three to learn from."""
    end = given.measurements.window.end_moment
    return end - timedelta(days=LIVE_DAYS) if given.measurements.window.count > 28 * 96 else end
