"""`ampacity bench refit`: every model learns in a night, a share of them anew; then all of them anew."""

import pytest

from ampacity.app.bench_refit import bench_refit
from ampacity.app.scratch_database import scratch_database
from ampacity.app.settings import Settings
from ampacity.simulation.dso import DsoPlan


@pytest.mark.slow
async def test_a_night_fits_a_share_anew_and_the_other_run_everything(dsn):
    told = []

    async with scratch_database(dsn) as scratch:
        figures = await bench_refit(scratch, DsoPlan(cables=520, days=35), Settings(), lambda *said: told.append(said))

    assert figures.elements > 520
    assert figures.series == 3 * figures.elements
    assert figures.night.fitted < figures.elements
    assert figures.whole.fitted == figures.elements
    assert figures.night.seconds > 0
    assert figures.whole.processor_s > 0
    assert ("all models anew", figures.elements, figures.elements) in told
