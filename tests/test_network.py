"""A grid is checked once, as a whole, and then known as arrays."""

from dataclasses import replace

import numpy as np
import pytest

from ampacity.errors import Unsuitable
from ampacity.network import Element, ElementId, Group, GroupId, Network, PowerUnit, Provider, ProviderId

TRANSFORMER = Element(
    element_id=ElementId("t"), kind="transformer", parent_id=None, nominal_voltage_v=400.0,
    rated_current_a=None, rated_power_va=630_000.0, phases=(1, 2, 3),
)  # fmt: skip
CABLE = Element(
    element_id=ElementId("c"), kind="cable", parent_id=ElementId("t"), nominal_voltage_v=400.0,
    rated_current_a=270.0, rated_power_va=None, phases=(1, 2, 3),
)  # fmt: skip
GROUP = Group(
    group_id=GroupId("g"), provider_id=ProviderId("p"), element_id=ElementId("c"), phases=(1, 2, 3),
    contracted_import_w=90_000.0, firm_import_w=9_000.0, contracted_export_w=0.0, firm_export_w=0.0, unit=PowerUnit.A,
)  # fmt: skip
PROVIDER = Provider(provider_id=ProviderId("p"), name="P")


def test_the_limit_is_the_rated_current_at_phase_voltage_and_power_factor():
    network = Network.of([TRANSFORMER, CABLE], [GROUP], [PROVIDER])

    limit_w = network.limit_w(power_factor=0.95)

    np.testing.assert_allclose(limit_w[0], 630_000 / 3 * 0.95)
    np.testing.assert_allclose(limit_w[1], 270 * 400 / np.sqrt(3) * 0.95)


def test_a_phase_that_an_element_lacks_carries_nothing():
    single = replace(CABLE, phases=(2,))

    network = Network.of([TRANSFORMER, single], [replace(GROUP, phases=(2,))], [PROVIDER])

    assert (network.limit_w(1.0)[1] > 0).tolist() == [False, True, False]
    assert network.phase_share.tolist() == [[0.0, 1.0, 0.0]]


def test_what_a_group_draws_counts_on_every_element_upstream():
    network = Network.of([TRANSFORMER, CABLE], [GROUP], [PROVIDER])

    behind_w = network.behind(np.full((1, 3, 2), 5.0))

    assert behind_w.shape == (2, 3, 2)
    assert (behind_w == 5.0).all()


@pytest.mark.parametrize(
    ("elements", "groups", "fault"),
    [
        ([replace(CABLE, parent_id=ElementId("x"))], [], "parent x is not in the grid"),
        (
            [replace(TRANSFORMER, parent_id=ElementId("c")), CABLE],
            [],
            "its parents lead back to itself (t -> c -> t)",
        ),
        ([TRANSFORMER, replace(CABLE, rated_current_a=-1.0)], [], "rated_current_a is -1.0, must be above 0"),
        (
            [TRANSFORMER, replace(CABLE, rated_power_va=1.0)],
            [],
            "give one of rated_current_a and rated_power_va, not 2",
        ),
        ([TRANSFORMER, TRANSFORMER], [], "element t is there 2 times"),
        ([TRANSFORMER], [GROUP], "element c is not in the grid"),
        ([TRANSFORMER, CABLE], [replace(GROUP, firm_import_w=1e6)], "must not be above contracted_import_w"),
        ([TRANSFORMER, CABLE], [replace(GROUP, provider_id=ProviderId("q"))], "provider q is not known"),
        ([TRANSFORMER, replace(CABLE, phases=(1,))], [GROUP], "are not all phases of element c"),
    ],
)
def test_a_wrong_grid_is_refused_with_the_place_and_the_rule(elements, groups, fault):
    with pytest.raises(Unsuitable) as caught:
        Network.of(elements, groups, [PROVIDER])

    assert fault in str(caught.value)


def test_all_faults_are_listed_at_once():
    with pytest.raises(Unsuitable) as caught:
        Network.of([replace(CABLE, nominal_voltage_v=0.0, phases=(1, 1))], [replace(GROUP, firm_export_w=-1.0)], [])

    assert len(caught.value.faults) == 6


def test_upstream_of_elements_are_they_and_all_between_them_and_the_root_once():
    cables = [replace(CABLE, element_id=ElementId(name), parent_id=ElementId(up)) for name, up in ("ct", "dt", "ec")]
    other = replace(TRANSFORMER, element_id=ElementId("u"))
    network = Network.of([*cables, other, TRANSFORMER], [GROUP], [PROVIDER])

    assert network.upstream(np.array([2, 1])).tolist() == [0, 1, 2, 4]
    assert network.upstream(np.array([3])).tolist() == [3]
    assert network.upstream(np.zeros(0, np.int64)).tolist() == []
