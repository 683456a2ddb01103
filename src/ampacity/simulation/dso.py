"""A made-up distribution system operator of any size: substations, feeders, transformers, cables, groups."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ampacity.network import Element, ElementId, Group, GroupId, Network, PowerUnit, Provider, ProviderId
from ampacity.simulation.district import CABLE_RATINGS_A, NOMINAL_VOLTAGE_V, DistrictPlan, Loads, blocks

CABLES_PER_TRANSFORMER, TRANSFORMERS_PER_FEEDER, FEEDERS_PER_SUBSTATION = 10, 50, 15
PROVIDERS, GROUPS_PER_CABLE, EVERY_NTH_CABLE = 50, 2, 3
WANTED = 0.8  # what each group may want, as a part of what its cable carries
RATING_TIMES = {"transformer": 3.0, "feeder": 60.0, "substation": 500.0}  # of a cable's: so that some of them bind
SAMPLE = 512  # loads repeat after so many elements: a whole number of blocks of forecasts
SPARE = 1.3
PHASE_V = NOMINAL_VOLTAGE_V / 3**0.5


@dataclass(frozen=True, kw_only=True)
class DsoPlan:
    """300,000 cables: under 30,000 transformers, 600 feeders, 40 substations; 200,000 groups on a third of them."""

    cables: int = 3000
    days: int = 56

    @property
    def sampled(self) -> DistrictPlan:
        """The district whose cables lend their loads to all elements."""
        return DistrictPlan(homes=10 * SAMPLE, cables=SAMPLE, days=self.days, cables_per_transformer=8)


def sampled_loads(plan: DsoPlan) -> Loads:
    """The loads of the sampled cables [W], shape (SAMPLE, 3, T); element number e has those of e modulo SAMPLE."""
    each = plan.sampled.cables_per_transformer + 1
    parts = [load_w[np.arange(len(load_w)) % each > 0] for _, load_w in blocks(plan.sampled)]
    return np.concatenate(parts)


def dso_network(plan: DsoPlan, load_w: Loads) -> Network:
    """Substation by substation, each followed by its feeders, these by their transformers and cables."""
    peak_a = np.abs(load_w).max(axis=(1, 2)) / PHASE_V * SPARE
    rating_a = CABLE_RATINGS_A[np.minimum(np.searchsorted(CABLE_RATINGS_A, peak_a), len(CABLE_RATINGS_A) - 1)]
    elements: list[Element] = []
    groups: list[Group] = []

    def add(kind: str, parent: Element | None) -> Element:
        number = len(elements)
        amperes = float(rating_a[number % SAMPLE]) * RATING_TIMES.get(kind, 1.0)
        made = Element(
            element_id=ElementId(f"{kind}-{number}"), kind=kind, parent_id=parent.element_id if parent else None,
            nominal_voltage_v=NOMINAL_VOLTAGE_V, rated_current_a=amperes, rated_power_va=None, phases=(1, 2, 3),
        )  # fmt: skip
        elements.append(made)
        return made

    substation = feeder = transformer = None
    for cable_no in range(plan.cables):
        transformer_no, first = divmod(cable_no, CABLES_PER_TRANSFORMER)
        feeder_no = transformer_no // TRANSFORMERS_PER_FEEDER
        if first == 0 and transformer_no % (TRANSFORMERS_PER_FEEDER * FEEDERS_PER_SUBSTATION) == 0:
            substation = add("substation", None)
        if first == 0 and transformer_no % TRANSFORMERS_PER_FEEDER == 0:
            feeder = add("feeder", substation)
        if first == 0:
            transformer = add("transformer", feeder)
        cable = add("cable", transformer)
        if cable_no % EVERY_NTH_CABLE == 0:
            groups += _groups(cable, cable_no + feeder_no)
    return Network.of(elements, groups, dso_providers())


def dso_providers() -> list[Provider]:
    return [Provider(provider_id=ProviderId(f"provider-{k}"), name=f"Provider {k}") for k in range(PROVIDERS)]


def _groups(cable: Element, number: int) -> Iterator[Group]:
    assert cable.rated_current_a is not None
    wanted_w = float(np.round(3 * PHASE_V * cable.rated_current_a * WANTED, -2))
    for k in range(GROUPS_PER_CABLE):
        name = f"provider-{(number * GROUPS_PER_CABLE + k) % PROVIDERS}"
        yield Group(
            group_id=GroupId(f"{cable.element_id}-{name}"), provider_id=ProviderId(name), element_id=cable.element_id,
            phases=cable.phases, contracted_import_w=wanted_w, firm_import_w=round(0.15 * wanted_w),
            contracted_export_w=wanted_w / 2, firm_export_w=0.0, unit=(PowerUnit.A, PowerUnit.KW)[k],
        )  # fmt: skip
