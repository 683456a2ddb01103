"""Random grids to share, small enough to check by other means, full of ties and odd numbers."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ampacity.allocation import Allocation, allocate, element_load_w

settings.register_profile("allocation", deadline=None)  # time is measured elsewhere
settings.load_profile("allocation")

SHARES = [(1 / 3, 1 / 3, 1 / 3), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.0)]


@dataclass(frozen=True)
class Case:
    """The arguments of `allocate`."""

    headroom_w: np.ndarray
    parent: np.ndarray
    element: np.ndarray
    phase_share: np.ndarray
    weight: np.ndarray
    floor_w: np.ndarray
    cap_w: np.ndarray

    def shared(self, **changes) -> Allocation:
        return allocate(*vars(replace(self, **changes)).values())

    def load_w(self, allocated_w):
        return element_load_w(allocated_w, self.parent, self.element, self.phase_share)

    def path(self, group: int) -> list[int]:
        return upstream(self.parent, int(self.element[group]))

    def same_position(self) -> list[list[int]]:
        """Groups behind the same element with the same phases."""
        keys = {}
        for g in range(len(self.element)):
            keys.setdefault((int(self.element[g]), tuple(self.phase_share[g])), []).append(g)
        return list(keys.values())

    def permuted(self, rng: np.random.Generator) -> tuple["Case", np.ndarray, np.ndarray]:
        """The same grid listed in another order; which old element and group stands at each new place."""
        elements, groups = rng.permutation(len(self.parent)), rng.permutation(len(self.element))
        where = np.argsort(elements)
        old = self.parent[elements]
        case = Case(
            self.headroom_w[elements], np.where(old >= 0, where[old], -1), where[self.element[groups]],
            self.phase_share[groups], self.weight[groups], self.floor_w[groups], self.cap_w[groups],
        )  # fmt: skip
        return case, elements, groups


def upstream(parent: np.ndarray, element: int) -> list[int]:
    path = []
    while element >= 0:
        path.append(element)
        element = int(parent[element])
    return path


def random_case(rng: np.random.Generator, elements: int = 8, groups: int = 8, quarters: int = 2) -> Case:
    """A tree or several of up to 6 levels, 3 phases, mixed floors and caps, some headroom 0, negative or not known."""
    E, G, T = int(rng.integers(1, elements + 1)), int(rng.integers(1, groups + 1)), int(rng.integers(1, quarters + 1))
    parent = _parents(rng, E)
    headroom_w = np.where(rng.random((E, 3, T)) < 0.5, rng.integers(0, 20, (E, 3, T)) * 5.0, rng.random((E, 3, T)) * 90)
    headroom_w *= 1 + 2.0 * (parent < 0)[:, None, None]
    odd = rng.random((E, 3, T))
    headroom_w[odd < 0.04] = 0.0
    headroom_w[odd < 0.03] *= -1.0
    headroom_w[odd < 0.02] = -7.0
    headroom_w[odd < 0.01] = np.nan
    weight = np.where(rng.random(G) < 0.6, rng.integers(1, 4, G) * 10.0, rng.random(G) * 50 + 1)
    floor_w = np.where(rng.random((G, T)) < 0.3, rng.integers(0, 4, (G, T)) * 5.0, 0.0)
    cap_w = np.where(rng.random((G, T)) < 0.5, rng.integers(0, 12, (G, T)) * 5.0, rng.random((G, T)) * 120)
    cap_w[rng.random((G, T)) < 0.1] = np.inf
    share = np.array([SHARES[int(i)] for i in rng.integers(0, len(SHARES), G)])
    if rng.random() < 0.05:
        headroom_w *= 0.0
    return Case(headroom_w, parent, rng.integers(0, E, G), share, weight, floor_w, cap_w)


def _parents(rng: np.random.Generator, elements: int, levels: int = 6) -> np.ndarray:
    parent, depth = np.full(elements, -1), np.zeros(elements, int)
    for e in range(1, elements):
        above = int(rng.integers(-1 if rng.random() < 0.2 else 0, e))
        if above >= 0 and depth[above] < levels - 1:
            parent[e], depth[e] = above, depth[above] + 1
    return parent


def cases(**sizes) -> st.SearchStrategy[Case]:
    """Cases by seed: what fails is told by its seed."""
    return st.integers(0, 2**32 - 1).map(lambda seed: random_case(np.random.default_rng(seed), **sizes))


def seeds() -> st.SearchStrategy[np.random.Generator]:
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


def split_group(case: Case, g: int, part: float) -> Case:
    """The same grid with one contract cut in two, floor and cap with it; the second part stands last."""

    def cut(values: np.ndarray) -> np.ndarray:
        parts = np.concatenate([values, values[g : g + 1] * (1 - part)])
        parts[g] = values[g] * part
        return parts

    return replace(
        case, element=np.append(case.element, case.element[g]), weight=cut(case.weight),
        phase_share=np.vstack([case.phase_share, case.phase_share[g]]),
        floor_w=cut(case.floor_w), cap_w=cut(case.cap_w),
    )  # fmt: skip


def aligned(case: Case) -> Case:
    """The same grid, every group drawing evenly on its phases: then all compete for one thing on each element."""
    return replace(case, phase_share=np.full_like(case.phase_share, 1 / 3))
