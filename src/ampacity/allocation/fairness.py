"""How fair it was: figures for a regulator."""

from dataclasses import dataclass

import numpy as np

from ampacity.allocation.allocate import Allocation
from ampacity.allocation.forest import Floats, Ints
from ampacity.allocation.loading import TOLERANCE_W, element_load_w

_HOURS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """Sums over a window of quarters; arrays by provider, shape (Q,), energies in Wh."""

    entitled_wh: Floats  # what its groups would have had if all had used their contracts
    held_wh: Floats
    lent_wh: Floats  # to others, while it held less than it was entitled to
    borrowed_wh: Floats  # from others
    used_wh: Floats  # where it was measured
    curtailed_wh: Floats  # contract not held because of the grid
    worst_regret_w: Floats  # the most that a group lacked of its entitlement while the grid, not its own cap, bound it

    @property
    def part_of_entitlement(self) -> Floats:
        """Held over entitled; 1 where nothing was due."""
        due = self.entitled_wh > 0
        part: Floats = np.where(due, self.held_wh / np.where(due, self.entitled_wh, 1.0), 1.0)
        return part


def fairness(
    held_w: Floats, bound_by: Ints, entitled_w: Floats, contracted_w: Floats, used_w: Floats, provider: Ints
) -> Fairness:
    """Compare what groups held with what they were entitled to.

    Args:
        held_w: Shape (G, T) [W].
        bound_by: Element that bound each, -1 its own cap, shape (G, T).
        entitled_w: Shape (G, T) [W].
        contracted_w: Shape (G,) [W].
        used_w: Shape (G, T) [W]; NaN where not measured.
        provider: Number of each group's provider, shape (G,).
    """
    providers = int(provider.max()) + 1 if provider.size else 0

    def by_provider(power_w: Floats) -> Floats:
        return np.asarray(np.bincount(provider, power_w.sum(axis=1) * _HOURS, providers), np.float64)

    by_grid = bound_by >= 0
    regret_w = np.where(by_grid, np.maximum(entitled_w - held_w, 0.0), 0.0)
    worst = np.zeros(providers)
    np.maximum.at(worst, provider, regret_w.max(axis=1, initial=0.0))
    return Fairness(
        entitled_wh=by_provider(entitled_w),
        held_wh=by_provider(held_w),
        lent_wh=by_provider(np.maximum(entitled_w - held_w, 0.0)),
        borrowed_wh=by_provider(np.maximum(held_w - entitled_w, 0.0)),
        used_wh=by_provider(np.nan_to_num(used_w)),
        curtailed_wh=by_provider(np.where(by_grid, np.maximum(contracted_w[:, None] - held_w, 0.0), 0.0)),
        worst_regret_w=worst,
    )


def weighted_jain(shared: Allocation, weight: Floats) -> float:
    """Jain's index of shares per weight, only among groups that the same place stops; 1 is perfectly fair.

    J = (sum q)^2 / (n sum q^2) with q = x / w.  Over groups that different places stop, or
    that have all they want, it says nothing: there a perfect rule is below 1 too.  The
    smallest index of all places and quarters is given.
    """
    stopped = shared.bound_by >= 0
    _, quarter = np.nonzero(stopped)
    if quarter.size == 0:
        return 1.0
    q = (shared.level if shared.level.any() else shared.allocated_w / weight[:, None])[stopped]
    keys = np.stack([shared.bound_by[stopped], shared.bound_phase[stopped], quarter])
    _, place = np.unique(keys, axis=1, return_inverse=True)
    n, total, squares = np.bincount(place), np.bincount(place, weights=q), np.bincount(place, weights=q * q)
    index = np.where(squares > 0, total**2 / (n * np.where(squares > 0, squares, 1.0)), 1.0)
    return float(index.min())


def stranded_w(
    shared: Allocation, cap_w: Floats, headroom_w: Floats, parent: Ints, element: Ints, phase_share: Floats
) -> Floats:
    """What was left to groups that wanted more and that the whole path could have carried [W], shape (G, T): none."""
    spare_w = np.maximum(headroom_w, 0.0) - element_load_w(shared.allocated_w, parent, element, phase_share)
    could_w = np.full(shared.allocated_w.shape, np.inf)
    at, rows = element, np.arange(len(element))
    while rows.size:
        share = phase_share[rows][:, :, None]
        more = np.where(share > 0, spare_w[at] / np.where(share > 0, share, 1.0), np.inf).min(axis=1)
        could_w[rows] = np.minimum(could_w[rows], more)
        up = parent[at] >= 0
        at, rows = parent[at[up]], rows[up]
    stranded: Floats = np.maximum(np.minimum(could_w, cap_w - shared.allocated_w), 0.0)
    return np.where(stranded > TOLERANCE_W, stranded, 0.0)
