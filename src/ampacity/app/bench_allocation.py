"""`ampacity bench allocation`: how long the fair rule takes on a large grid, and what memory."""

import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np
import typer

from ampacity.allocation import Allocation, allocate, element_load_w
from ampacity.app.memory import peak_mib
from ampacity.timegrid import QUARTERS_PER_DAY

GROWTH = (30_000, 100_000)
CONTRACTS_W = (3_680.0, 11_000.0, 22_000.0, 44_000.0, 90_000.0)


class AllocationBench(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took."""

    elements: int
    groups: int
    quarters: int
    seconds: float
    cpu_seconds: float  # of all threads: what it would take alone on one core
    peak_mib: float  # of the whole process, the input arrays included
    bound_by_own_cap: float  # part of the groups and quarters
    worst_overload_w: float  # above 0: a fault


def bench_allocation(
    elements: Annotated[int, typer.Option(min=1, help="Elements of the tree.")] = 10_000,
    groups_per_element: Annotated[int, typer.Option(min=1, help="Groups behind each element.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
    growth: Annotated[bool, typer.Option(help="Also 30,000 and 100,000 elements.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Share a random tree of depth 4, 3 phases and 96 quarters, where elements of all levels bind."""
    sizes = sorted({elements, *(GROWTH if growth else ())})
    runs = [measure(size, groups_per_element, workers=workers) for size in sizes]
    if as_json:
        typer.echo(msgspec.json.encode(runs if growth else runs[0]).decode())
        return
    for run in runs:
        typer.echo(
            f"{run.elements:,} elements, {run.groups:,} groups, {run.quarters} quarters: "
            f"{run.seconds:.2f} s ({run.cpu_seconds:.2f} s of processor), {run.peak_mib:,.0f} MiB at the peak"
        )


def measure(
    elements: int, groups_per_element: int, *, workers: int = 2, quarters: int = QUARTERS_PER_DAY
) -> AllocationBench:
    """Build a grid and share it once."""
    rng = np.random.default_rng(elements)
    parent = _tree(elements, depth=4)
    element = np.repeat(np.arange(elements), groups_per_element)
    share = _phase_share(rng, len(element))
    weight = rng.choice(CONTRACTS_W, len(element))
    shape = (len(element), quarters)
    cap_w = weight[:, None] * np.where(rng.random(shape) < 0.5, 1.0, rng.random(shape))
    floor_w = np.broadcast_to(np.where(rng.random(len(element)) < 0.3, 0.1 * weight, 0.0)[:, None], shape)
    wanted_w = element_load_w(weight[:, None], parent, element, share)
    headroom_w = wanted_w * rng.uniform(0.2, 1.0, (elements, 1, 1)) * rng.uniform(0.5, 1.1, (elements, 3, quarters))
    begun, begun_cpu = time.perf_counter(), time.process_time()
    shared = allocate(headroom_w, parent, element, share, weight, floor_w, cap_w, workers=workers)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - begun_cpu
    peak = peak_mib()
    return AllocationBench(
        elements=elements,
        groups=len(element),
        quarters=quarters,
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
        peak_mib=round(peak, 1),
        bound_by_own_cap=round(float((shared.bound_by < 0).mean()), 4),
        worst_overload_w=max(_overloads(shared, headroom_w, parent, element, share)),
    )


def _overloads(
    shared: Allocation, headroom_w: np.ndarray, parent: np.ndarray, element: np.ndarray, share: np.ndarray
) -> Iterator[float]:
    """By how much sums are above the headroom beyond float accuracy, quarter by quarter [W]."""
    for t in range(headroom_w.shape[2]):
        load_w = element_load_w(shared.allocated_w[:, t : t + 1], parent, element, share)[:, :, 0]
        room_w = np.maximum(headroom_w[:, :, t], 0.0)
        yield max(0.0, float((load_w - room_w * (1 + 1e-9)).max()) - 1e-6)


def _tree(elements: int, depth: int) -> np.ndarray:
    """Parents of a tree of that depth with an even fan-out."""
    fan = max(2, round(elements ** (1 / (depth - 1))))
    starts = np.minimum(np.cumsum([0, *(fan**d for d in range(depth - 1))]), elements)
    parent = np.full(elements, -1)
    for level in range(1, depth):
        first = starts[level]
        end = starts[level + 1] if level + 1 < depth else elements
        above = starts[level] - starts[level - 1]
        parent[first:end] = starts[level - 1] + np.arange(end - first) % max(above, 1)
    return parent


def _phase_share(rng: np.random.Generator, groups: int) -> np.ndarray:
    """Half on three phases, some on one, a tenth on an unknown one."""
    kind, phase = rng.random(groups), rng.integers(0, 3, groups)
    share = np.full((groups, 3), 1.0 / 3.0)
    share[kind >= 0.5] = 0.0
    single = np.flatnonzero((kind >= 0.5) & (kind < 0.9))
    share[single, phase[single]] = 1.0
    share[kind >= 0.9] = 1.0
    return share
