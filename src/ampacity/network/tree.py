"""The grid as arrays: positions in a tree, limits per phase, groups behind elements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ampacity.errors import Unsuitable
from ampacity.network.types import PHASES, Direction, Element, Group, Provider
from ampacity.network.validation import grid_faults

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A valid grid.  E elements, G groups; arrays follow the order of the records."""

    elements: tuple[Element, ...]
    groups: tuple[Group, ...]
    providers: tuple[Provider, ...]
    parent: Ints  # (E,) index of the upstream element, -1 at a root
    has_phase: NDArray[np.bool_]  # (E, 3)
    phase_voltage_v: Floats  # (E,) phase to neutral
    rated_current_a: Floats  # (E,) per phase
    element: Ints  # (G,) index of the element behind which the group is connected
    phase_share: Floats  # (G, 3) how much of each watt of the group loads each phase

    @classmethod
    def of(cls, elements: Sequence[Element], groups: Sequence[Group], providers: Sequence[Provider]) -> "Network":
        """Build the arrays.

        Raises:
            Unsuitable: the records are no grid; lists every fault.
        """
        faults = grid_faults(elements, groups, providers)
        if faults:
            raise Unsuitable(faults)
        index = {e.element_id: i for i, e in enumerate(elements)}
        phases = np.array([[p in e.phases for p in (1, 2, 3)] for e in elements], bool).reshape(-1, PHASES)
        voltage = np.array([e.nominal_voltage_v for e in elements], float) / np.sqrt(3.0)
        return cls(
            elements=tuple(elements),
            groups=tuple(groups),
            providers=tuple(providers),
            parent=np.array([-1 if e.parent_id is None else index[e.parent_id] for e in elements], np.int64),
            has_phase=phases,
            phase_voltage_v=voltage,
            rated_current_a=_rated_current_a(elements, voltage, phases.sum(axis=1)),
            element=np.array([index[g.element_id] for g in groups], np.int64),
            phase_share=_phase_share(groups),
        )

    def limit_w(self, power_factor: float) -> Floats:
        """Active power each phase may carry [W], shape (E, 3); 0 on a phase the element lacks.

        P = U I cos(phi) per phase, with the phase-to-neutral voltage.
        """
        per_phase = self.phase_voltage_v * self.rated_current_a * power_factor
        return np.where(self.has_phase, per_phase[:, None], 0.0)

    def contracted_w(self, direction: Direction) -> Floats:
        """Contracted capacity [W], shape (G,); to be read only."""
        return self._contracted_w[direction]

    def firm_w(self, direction: Direction) -> Floats:
        """Guaranteed part of the contracted capacity [W], shape (G,); to be read only."""
        return self._firm_w[direction]

    @cached_property
    def _contracted_w(self) -> Mapping[Direction, Floats]:
        return {
            Direction.IMPORT: _read_only(g.contracted_import_w for g in self.groups),
            Direction.EXPORT: _read_only(g.contracted_export_w for g in self.groups),
        }

    @cached_property
    def _firm_w(self) -> Mapping[Direction, Floats]:
        return {
            Direction.IMPORT: _read_only(g.firm_import_w for g in self.groups),
            Direction.EXPORT: _read_only(g.firm_export_w for g in self.groups),
        }

    @cached_property
    def depth(self) -> Ints:
        """Steps from the root, shape (E,)."""
        depth = np.zeros(self.parent.shape, np.int64)
        at = self.parent.copy()
        while (up := at >= 0).any():
            depth[up] += 1
            at[up] = self.parent[at[up]]
        return depth

    @cached_property
    def root(self) -> Ints:
        """Index of the topmost element over each element, shape (E,)."""
        root = np.arange(len(self.parent))
        while (up := self.parent[root] >= 0).any():
            root[up] = self.parent[root[up]]
        return root

    def upstream(self, elements: Ints) -> Ints:
        """These elements and all upstream of them, each once, in ascending order."""
        found = at = np.unique(elements)
        while at.size:
            up = self.parent[at]
            at = np.unique(up[up >= 0])
            found = np.union1d(found, at)
        return found

    def behind(self, group_w: Floats) -> Floats:
        """What groups draw, added up on every element upstream of them.

        Args:
            group_w: Per group and phase [W], shape (G, 3, T).

        Returns:
            Per element and phase [W], shape (E, 3, T).
        """
        total = np.zeros((len(self.parent), *group_w.shape[1:]), group_w.dtype)
        at = self.element.copy()
        rows = np.arange(len(at))
        while rows.size:
            np.add.at(total, at, group_w[rows])
            up = self.parent[at]
            rows, at = rows[up >= 0], up[up >= 0]
        return total


def _read_only(values: Iterable[float]) -> Floats:
    array = np.fromiter(values, float)
    array.flags.writeable = False
    return array


def _rated_current_a(elements: Sequence[Element], phase_voltage_v: Floats, phases: Ints) -> Floats:
    """The given current, or the rated power spread over the phases: S = n U I, n the number of phases."""
    current = np.array([np.nan if e.rated_current_a is None else e.rated_current_a for e in elements], float)
    power = np.array([np.nan if e.rated_power_va is None else e.rated_power_va for e in elements], float)
    return np.where(np.isnan(current), power / (phases * phase_voltage_v), current)


def _phase_share(groups: Sequence[Group]) -> Floats:
    """An even share on each phase of the group."""
    has = np.array([[p in g.phases for p in (1, 2, 3)] for g in groups], float).reshape(-1, PHASES)
    share: Floats = has / np.maximum(has.sum(axis=1, keepdims=True), 1.0)
    return share
