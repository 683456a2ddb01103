"""What a group's flexible resources drew, from all its registers together.

What is flexible wins: FLEXIBLE, else TOTAL less NONFLEXIBLE, else TOTAL (a peer that
says no more means that).  NET wins over IMPORT less EXPORT.  Registers per phase win over
one for all phases, which is spread evenly.  Registers of the group win over the sum of
its assets; energy registers win over samples of power.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampacity.network.types import PHASES
from ampacity.peers.metering import Floats, Reading, RegisterUse, mean_of_samples, use_of_register
from ampacity.peers.types import Connection
from ampacity.timegrid import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUse:
    """What is known of a group: mean power [W] of shape (3, T), NaN where nothing is.

    `verdicts` has one entry per reading that was given: "" or why it was not used.
    """

    load_w: Floats
    verdicts: tuple[str, ...]
    counts: dict[str, int]


def use_of_group(readings: Sequence[Reading], group: Connection, window: Window) -> GroupUse:
    """What a group drew in each quarter of a window, import positive."""
    places: dict[tuple[str, str, int, str, str], list[int]] = defaultdict(list)
    for place, reading in enumerate(readings):
        places[reading.register].append(place)
    verdicts, counts = [""] * len(readings), Counter[str]()
    registers: dict[str, dict[tuple[str, int, str], Floats]] = defaultdict(dict)
    samples: dict[str, dict[int, Floats]] = defaultdict(dict)
    for (asset, quantity, phase, direction, energy_type), where in places.items():
        chosen = [readings[i] for i in where]
        if quantity == "Wh":
            use = use_of_register(chosen, window, group.contracted_w)
            for i, verdict in zip(where, use.verdicts, strict=True):
                verdicts[i] = verdict
            counts.update(_counted(use))
            registers[asset][energy_type, phase, direction] = use.load_w
        else:
            samples[asset][phase] = mean_of_samples(chosen, window, group.phase_voltage_v * _wires(phase, group))
    loads_w = {
        asset: _by_phase(registers.get(asset, {}), samples.get(asset, {}), group, window.count)
        for asset in {*registers, *samples}
    }
    return GroupUse(load_w=_whole(loads_w, window.count), verdicts=tuple(verdicts), counts=dict(counts))


def _counted(use: RegisterUse) -> dict[str, int]:
    found = Counter(_class_of(verdict) for verdict in use.verdicts if verdict)
    if use.restarts:
        found["restart"] = use.restarts
    return dict(found)


def _class_of(verdict: str) -> str:
    known = {"duplicate": "duplicate", "overlaps": "overlap", "the register runs backwards": "backwards"}
    return next((name for start, name in known.items() if verdict.startswith(start)), "too much")


def _wires(phase: int, group: Connection) -> int:
    """A current of `all phases` flows on each of them."""
    return len(group.phases) if phase == 0 else 1


def _whole(loads_w: dict[str, Floats], count: int) -> Floats:
    """The group's own registers where they tell, else the sum over the assets that do."""
    assets = [load for asset, load in loads_w.items() if asset]
    total = np.full((PHASES, count), np.nan)
    if assets:
        stacked = np.stack(assets)
        total = np.where(np.isfinite(stacked).any(axis=0), np.nansum(stacked, axis=0), np.nan)
    own = loads_w.get("")
    if own is None:
        return total
    told = np.isfinite(own).all(axis=0)
    return np.where(told, own, np.where(np.isfinite(total).all(axis=0), total, own))


def _by_phase(
    registers: dict[tuple[str, int, str], Floats], samples: dict[int, Floats], group: Connection, count: int
) -> Floats:
    """One meter's load per phase, shape (3, T): a phase that it has no register for carries nothing."""
    phases = {phase for _, phase, _ in registers} | set(samples)
    flexible = {p: _or_else(_flexible(registers, p), samples.get(p), count) for p in phases}
    load_w = np.zeros((PHASES, count))
    by_phase = [p for p in group.phases if p in flexible]
    if by_phase:
        for p in by_phase:
            load_w[p - 1] = flexible[p]
    told = np.isfinite(load_w).all(axis=0) & bool(by_phase)
    if 0 in flexible:
        evenly = np.zeros((PHASES, count))
        for p in group.phases:
            evenly[p - 1] = flexible[0] / len(group.phases)
        return np.where(told, load_w, evenly)
    return load_w if by_phase else np.full((PHASES, count), np.nan)


def _flexible(registers: dict[tuple[str, int, str], Floats], phase: int) -> Floats | None:
    flexible, other, total = (_net(registers, t, phase) for t in ("FLEXIBLE", "NONFLEXIBLE", "TOTAL"))
    if total is not None and other is not None:
        total = np.where(np.isfinite(other), total - other, total)
    return total if flexible is None else _or_else(flexible, total, flexible.size)


def _net(registers: dict[tuple[str, int, str], Floats], energy_type: str, phase: int) -> Floats | None:
    net, drawn, fed = (registers.get((energy_type, phase, d)) for d in ("NET", "IMPORT", "EXPORT"))
    if drawn is not None or fed is not None:
        drawn = np.zeros_like(fed) if drawn is None and fed is not None else drawn
        assert drawn is not None
        difference = drawn if fed is None else drawn - fed
        return difference if net is None else _or_else(net, difference, net.size)
    return net


def _or_else(first: Floats | None, second: Floats | None, count: int) -> Floats:
    if first is None:
        return np.full(count, np.nan) if second is None else second
    return first if second is None else np.where(np.isfinite(first), first, second)
