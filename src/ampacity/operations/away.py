"""Groups whose provider never connected, or is offline: planned with their fallback, the rest is open to others.

Nobody can be told anything who is not connected, so what such a group may draw all the same is set aside before
anything is shared:

* A provider that was connected follows the FALLBACK forecasts that it was last sent, and those that were on
  their way (they may have arrived): where these differ, the higher one.  By its own word it is offline from its
  `offline_mode_at` on; until then it may still follow the last CONSUMPTION and GENERATION, where these are higher.
* A provider that never connected, or whose last fallback has run out, was told nothing that holds.  It is planned
  with the newest fallback decided for it (it gets that one when it connects), else with the firm part of its contract.
* Somebody who was connected is planned so for as long as it has been gone already, for one hour at least: who just
  fell silent is back soon as a rule, and the day that was planned for all need not be turned over for that.  What
  lies beyond stays as if it were connected.  Who never connected is planned so as far as forecasts reach.
* While nobody was ever enrolled there are no counterparts, only a plan to look at: all count as connected.

In an emergency, too, the others are lowered by what those draw who cannot be told.
On its return a provider is sent these forecasts at once, and has its full share again with the next cycle.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ampacity.allocation import allocate, element_load_w
from ampacity.network import Direction, ForecastKind, Network
from ampacity.peers.types import Figures
from ampacity.ports import Away, AwayGroups, CapacityTable, ConnectedPeers, Floats, Held, Ints, Steps
from ampacity.timegrid import QUARTERS_PER_HOUR

AWAY = -3  # in `bound_by`: the group is planned with its fallback, its provider is not connected
AT_LEAST = QUARTERS_PER_HOUR
_QUARTER_S = 900.0
_HEEDED = {
    Direction.IMPORT: (ForecastKind.FALLBACK_CONSUMPTION, ForecastKind.CONSUMPTION),
    Direction.EXPORT: (ForecastKind.FALLBACK_GENERATION, ForecastKind.GENERATION),
}


async def away_groups(network: Network, steps: Steps, peers: ConnectedPeers) -> AwayGroups | None:
    """The groups of the providers that are not connected, with what they were told; None: all are connected."""
    away = {a.provider_no: a for a in await peers.away_providers()}
    number = {p.provider_id: n for n, p in enumerate(network.providers)}
    provider = np.array([number[g.provider_id] for g in network.groups], np.int64)
    groups = np.flatnonzero(np.isin(provider, list(away)))
    if not groups.size:
        return None
    of_group = [away[int(n)] for n in provider[groups]]
    heeded = np.array([_heeded(a, steps.count) for a in of_group])
    told_w = {d: np.full((len(groups), steps.count), np.nan, np.float32) for d in Direction}
    for direction, (fallback, usual) in _HEEDED.items():
        reached = np.array([a.gone_s is not None for a in of_group])
        _lay(told_w[direction], groups, await peers.figures_told(groups[reached].tolist(), fallback), steps)
        usual_w = np.full_like(told_w[direction], np.nan)
        _lay(usual_w, groups, await peers.figures_told(groups[heeded > 0].tolist(), usual), steps)
        usual_w[np.arange(steps.count) >= heeded[:, None]] = np.nan
        told_w[direction] = np.fmax(told_w[direction], usual_w)
    return AwayGroups(groups=groups, quarters=np.array([_gone(a, steps.count) for a in of_group]), told_w=told_w)


def _heeded(away: Away, horizon: int) -> int:
    """For how many of the coming quarters it may follow its last CONSUMPTION; part of one counts."""
    return int(min(away.heeds_s // _QUARTER_S + 2, horizon)) if away.heeds_s > 0 else 0


def _gone(away: Away, horizon: int) -> int:
    """For how many of the coming quarters it is taken to stay away."""
    return horizon if away.gone_s is None else int(np.clip(away.gone_s // _QUARTER_S, AT_LEAST, horizon))


def _lay(rows_w: Floats, groups: Ints, told: Sequence[tuple[int, Figures]], steps: Steps) -> None:
    """Lay what groups were told over the quarters, in place; of two figures the higher one stays."""
    for group_no, figures in told:
        row = int(np.searchsorted(groups, group_no))
        shift = steps.first - figures.first_quarter
        rows_w[row] = np.fmax(rows_w[row], _in_quarters(figures.capacity_w[None], figures.step_quarters, shift, steps))


def _in_quarters(capacity_w: Floats, step_quarters: int, shift: int, steps: Steps) -> Floats:
    """Capacities of longer steps in quarters from `shift` after their start [W], (A, T); NaN where they end."""
    step = (np.arange(steps.count) + shift) // step_quarters
    inside = (step >= 0) & (step < capacity_w.shape[1])
    found_w = np.full((len(capacity_w), steps.count), np.nan, np.float32)
    found_w[:, inside] = capacity_w[:, step[inside]]
    return found_w


def drawn_w(
    network: Network, away: AwayGroups, direction: Direction, steps: Steps, fallback: CapacityTable | None
) -> NDArray[np.float32]:
    """What groups may draw while their provider is away [W], (G, T); NaN where one is there, or back by then.

    Args:
        network: The grid.
        away: Who is away.
        direction: Of the two.
        steps: The T quarters.
        fallback: The newest one that was decided, for those who were told nothing.
    """
    known = away.groups < (0 if fallback is None else len(fallback.capacity_w))
    rows_w = np.repeat(network.firm_w(direction)[away.groups, None], steps.count, axis=1).astype(np.float32)
    if fallback is not None:
        shift = steps.first - fallback.steps.first
        some_w = _in_quarters(fallback.capacity_w[away.groups[known]], fallback.steps.quarters, shift, steps)
        rows_w[known] = np.where(np.isnan(some_w), rows_w[known], some_w)
    rows_w = np.where(np.isnan(away.told_w[direction]), rows_w, away.told_w[direction])
    rows_w[np.arange(steps.count) >= away.quarters[:, None]] = np.nan
    all_w = np.full((len(network.groups), steps.count), np.nan, np.float32)
    all_w[away.groups] = rows_w
    return all_w


def beside(
    network: Network, headroom_w: Floats, pool_w: Floats, held: Held, drawn: Floats
) -> tuple[Floats, Floats, Held]:
    """Headroom and pool [W], (E, 3, T), that are left to those who are there, and what they hold."""
    away = ~np.isnan(drawn)
    share = np.asarray(network.phase_share, np.float64)
    left_w = headroom_w - element_load_w(
        np.nan_to_num(drawn).astype(np.float64), network.parent, network.element, share
    )
    theirs = Held(
        granted_w=np.where(away, np.nan, held.granted_w).astype(np.float32),
        returned_w=np.where(away, 0.0, held.returned_w).astype(np.float32),
    )
    return left_w, np.clip(pool_w, 0.0, np.maximum(left_w, 0.0)), theirs


def with_away(
    network: Network,
    direction: Direction,
    headroom_w: Floats,
    capacity_w: Floats,
    bound_by: NDArray[np.int32],
    drawn: Floats,
) -> tuple[Floats, NDArray[np.int32]]:
    """Capacities and what bound them, with those who are away: what they may draw, less where the grid lacks it."""
    away = ~np.isnan(drawn)
    rows = np.flatnonzero(away.any(axis=1))
    if not rows.size:
        return capacity_w, bound_by
    contract_w = network.contracted_w(direction)[rows]
    wanted_w = np.minimum(np.nan_to_num(drawn[rows]), contract_w[:, None]).astype(np.float64)
    fits = allocate(
        np.asarray(headroom_w, np.float64), network.parent, network.element[rows],
        np.asarray(network.phase_share[rows], np.float64), contract_w, wanted_w, wanted_w,
    )  # fmt: skip
    with_them_w = capacity_w.copy()
    with_them_w[rows] = np.where(away[rows], np.floor(fits.allocated_w + 1e-6), capacity_w[rows])
    return with_them_w, np.where(away, np.int32(AWAY), bound_by)
