"""What grows old is dropped, and what is kept still proves itself."""

from datetime import timedelta

import numpy as np
import pandas as pd

from ampacity.app.archive import ParquetArchive
from ampacity.forecasting import ForecastSettings
from ampacity.operations.cycle import CyclePorts, run_cycle
from ampacity.operations.settings import CycleSettings
from ampacity.operations.take_in import take_in
from ampacity.store.keeping import prune, sizes
from ampacity.store.postgres import PostgresCycles, PostgresGrid
from ampacity.store.records import PostgresRecords
from ampacity.store.requests import PostgresRequests
from ampacity.store.usage import UsageStore
from tests.operations.conftest import DAYS, START, Connected

AT = START + timedelta(days=DAYS)
QUARTER = timedelta(minutes=15)
LAST_WEEK = AT - timedelta(days=7)


async def test_old_figures_go_the_chain_stays_whole_and_the_next_cycle_runs(pool, given):
    ports = CyclePorts(
        grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool),
        peers=Connected(frozenset()), usage=UsageStore(pool),
    )  # fmt: skip
    await take_in(given, grid=ports.grid, now=AT)
    for at in (LAST_WEEK, AT, AT + QUARTER):
        await run_cycle(at, ports=ports, forecast=ForecastSettings(), cycle=CycleSettings())
    before = await sizes(pool)

    early = await prune(pool, decisions=LAST_WEEK, messages=AT, series=START)
    done = await prune(pool, decisions=AT + QUARTER, messages=AT, series=START + timedelta(days=27))

    assert early.decisions == 0
    assert (done.decisions, done.models) == (1, 0)  # a week goes as a whole
    assert done.series_blocks == 27  # January, a block for each day
    assert before.mib_a_day["allocation_block"] > 0
    held = await pool.fetch(
        "select distinct decision_id as no, made_at from allocation_block join decision using (decision_id)"
    )
    assert {r["made_at"] for r in held} == {AT, AT + QUARTER}
    last = max(r["no"] for r in held)
    assert await PostgresRecords(pool).broken_links() == []
    again = await run_cycle(AT + 3 * QUARTER, ports=ports, forecast=ForecastSettings(), cycle=CycleSettings())
    assert again.summary["elements"] == 3
    await pool.execute("update allocation_block set capacity_w = capacity_w || '\\x00' where decision_id = $1", last)
    assert [link.decision_id for link in await PostgresRecords(pool).broken_links()] == [last]


async def test_what_is_dropped_is_kept_in_files_to_the_value(pool, given, tmp_path):
    ports = CyclePorts(
        grid=PostgresGrid(pool), cycles=PostgresCycles(pool), requests=PostgresRequests(pool),
        peers=Connected(frozenset()), usage=UsageStore(pool),
    )  # fmt: skip
    await take_in(given, grid=ports.grid, now=AT)
    for at in (LAST_WEEK, AT):
        await run_cycle(at, ports=ports, forecast=ForecastSettings(), cycle=CycleSettings())
    records = PostgresRecords(pool)
    stored = {b.kind.value: b for b in await records.stored(1)}
    _, room_w = await records.headroom(1, "import")
    median_w = await records.median(1, CycleSettings().horizon)

    done = await prune(
        pool, decisions=AT, messages=AT, series=START + timedelta(days=27),
        archive=ParquetArchive(folder=tmp_path),
    )  # fmt: skip

    capacities = pd.read_parquet(tmp_path / "allocation_block")
    assert set(capacities["kind"]) == set(stored)
    for row in capacities.to_dict("records"):
        block = stored[row["kind"]]
        np.testing.assert_array_equal(row["capacity_w"], block.capacity_w.ravel())
        np.testing.assert_array_equal(row["bound_by"], block.bound_by.ravel())
    rooms, forecasts = pd.read_parquet(tmp_path / "headroom_block"), pd.read_parquet(tmp_path / "forecast_block")
    np.testing.assert_array_equal(rooms.set_index("direction").loc["import", "headroom_w"], room_w.ravel())
    levels = len(forecasts["levels"][0])
    kept_w = forecasts["load_w"][0].reshape(levels, *median_w.shape)
    np.testing.assert_array_equal(np.nan_to_num(kept_w[levels // 2]), median_w)
    loads = pd.read_parquet(tmp_path / "load_block").sort_values("first_quarter")
    january = np.concatenate([np.reshape(v, (3, 3, 96)) for v in loads["load_w"]], axis=2)
    np.testing.assert_array_equal(january, given.measurements.load_w[:, :, : 27 * 96])
    assert len(loads) == done.series_blocks
    assert {p.name for p in tmp_path.iterdir()} == {
        "allocation_block", "forecast_block", "headroom_block", "load_block",
    }  # fmt: skip
