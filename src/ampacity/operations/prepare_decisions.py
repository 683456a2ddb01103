"""What decisions on requests rest on, read before somebody asks, so that the first ones after a start are quick too."""

import asyncio
from contextlib import suppress
from datetime import datetime

import numpy as np

from ampacity.network import ForecastKind
from ampacity.operations.batch import DIRECTION_OF, situation_of
from ampacity.operations.entitled import KeptEntitlements
from ampacity.operations.kept_trees import KeptTrees
from ampacity.operations.tree_gate import TreeGate
from ampacity.ports import GridStore, GridVersion, RequestStore
from ampacity.timegrid import QUARTERS_PER_HOUR

KIND = ForecastKind.CONSUMPTION  # hardly anybody asks for more generation
QUARTERS = 2 * QUARTERS_PER_HOUR  # that most requests are about: the next ones
PATIENCE_S = 5.0  # what is not read by then is read when somebody asks


async def prepare_decisions(
    now: datetime,
    *,
    grid: GridStore,
    requests: RequestStore,
    entitled: KeptEntitlements,
    trees: KeptTrees,
    patience_s: float = PATIENCE_S,
) -> int:
    """Read what each tree holds and has room for, and keep it where decisions look for it; gives for how many trees.

    Nothing is decided, and nothing depends on it: whatever changes afterwards is read again by who decides.  It ends
    after `patience_s`, though the gate is closed all that time.
    """
    prepared = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            version, network = await grid.version(), await grid.network()
            for root_no in np.unique(network.root[network.element]).tolist():
                async with requests.gate() as gate:
                    tree = TreeGate(gate=gate, tree=trees.of(network, root_no))
                    prepared += await _prepare(tree, await gate.decided_at(now), version, entitled)
    return prepared


async def _prepare(tree: TreeGate, now: datetime, version: GridVersion, entitled: KeptEntitlements) -> bool:
    """Prepare a tree; false where nothing is decided yet."""
    direction = DIRECTION_OF[KIND]
    table, room = await tree.table(KIND, now), await tree.headroom(direction, now)
    if table is None or room is None:
        return False
    situation = await asyncio.to_thread(situation_of, tree.network, table, room, direction, now)
    quarters = np.arange(min(QUARTERS, situation.window.count))
    await asyncio.to_thread(entitled.of(tree.root_no, direction, room[1], version).during, situation, quarters)
    return True
