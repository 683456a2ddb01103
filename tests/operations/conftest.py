"""A small grid with two weeks and more of load, as an input."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import pytest

from ampacity.intake import InputFolder, LoadSeries, WeatherTable
from ampacity.network import Element, ElementId, Group, GroupId, Network, PowerUnit, Provider, ProviderId
from ampacity.operations.bases import Bases
from ampacity.operations.engine import LocalEngine
from ampacity.operations.forecast import forecasts
from ampacity.operations.offer import Offer
from ampacity.operations.stages import Stages
from ampacity.timegrid import QUARTERS_PER_DAY, Window, quarter_at

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 28
ELEMENTS = 3


def small_network() -> Network:
    transformer = Element(
        element_id=ElementId("t"), kind="transformer", parent_id=None, nominal_voltage_v=400.0,
        rated_current_a=None, rated_power_va=100_000.0, phases=(1, 2, 3),
    )  # fmt: skip
    cable = replace(transformer, kind="cable", parent_id=ElementId("t"), rated_current_a=80.0, rated_power_va=None)
    cables = [replace(cable, element_id=ElementId(name)) for name in ("c1", "c2")]
    group = Group(
        group_id=GroupId("north-c1"), provider_id=ProviderId("north"), element_id=ElementId("c1"), phases=(1, 2, 3),
        contracted_import_w=40_000.0, firm_import_w=6_000.0, contracted_export_w=10_000.0, firm_export_w=0.0,
        unit=PowerUnit.A,
    )  # fmt: skip
    harbour = replace(group, group_id=GroupId("harbour-c1"), provider_id=ProviderId("harbour"), unit=PowerUnit.KW)
    other = replace(group, group_id=GroupId("north-c2"), element_id=ElementId("c2"), phases=(2,), unit=PowerUnit.W)
    providers = [Provider(provider_id=ProviderId(name), name=name.title()) for name in ("north", "harbour")]
    return Network.of([transformer, *cables], [group, harbour, other], providers)


def forecasts_of(plan, *, grid, cycles, bases=None):
    """The forecasts that one server makes of all blocks."""
    stages = Stages()
    offer = Offer(slot=plan.made_at, holder=uuid4(), sharing=cycles.sharing, stages=stages)
    return forecasts(
        plan, grid=grid, cycles=cycles, stages=stages, bases=bases or Bases(), engine=LocalEngine(), offer=offer
    )


def small_input(days: int = DAYS) -> InputFolder:
    window = Window(quarter_at(START), DAYS * QUARTERS_PER_DAY)
    hour = (np.arange(window.count) % QUARTERS_PER_DAY) / 4
    shape_w = 3000 + 2000 * np.sin((hour - 13) / 24 * 2 * np.pi)
    noise = np.random.default_rng(7).normal(0, 150, (ELEMENTS, 3, window.count))
    load_w = np.array([2.0, 1.0, 1.0])[:, None, None] * (shape_w + noise)
    kept = Window(window.first, days * QUARTERS_PER_DAY)
    return InputFolder(
        network=small_network(),
        measurements=LoadSeries(window=kept, load_w=load_w[:, :, : kept.count].astype(np.float32)),
        group_measurements=LoadSeries.empty(3),
        weather=WeatherTable.empty(),
    )


@dataclass(frozen=True)
class Connected:
    """Who is connected, for tests of what a cycle writes; nobody counts as away."""

    providers: frozenset[int]
    insistent: frozenset[int] = frozenset()

    async def connected_providers(self) -> frozenset[int]:
        return self.providers

    async def away_providers(self) -> tuple[()]:
        return ()

    async def figures_told(self, group_nos, kind) -> tuple[()]:
        return ()

    async def told_each_cycle(self) -> frozenset[int]:
        return self.insistent


@pytest.fixture
def given() -> InputFolder:
    return small_input()
