"""Who is told what a cycle decides: most messages are written before the gate is closed, the others behind it.

A message says what its decision lets a group hold, whatever that is when it is sent; so it may be written while trees
are decided again.  It must only not stand before one of an older decision: where such a one was queued meanwhile, for
who asked, asked again or connected, the cycle's is written once more behind the gate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ampacity.network import ForecastKind
from ampacity.operations.deliver import Bools, Changes
from ampacity.operations.forecast_plan import Plan
from ampacity.operations.lapse import ended_of
from ampacity.operations.summary import Sums
from ampacity.ports import CapacityTable, ConnectedPeers, CycleStore, DecisionWriter, Ints, RunningGrant


class Telling:
    """The messages of a cycle."""

    def __init__(
        self, plan: Plan, writer: DecisionWriter, cycles: CycleStore, peers: ConnectedPeers,
        lapsed: Sequence[RunningGrant],
    ) -> None:  # fmt: skip
        self._plan, self._writer, self._cycles, self._peers, self._lapsed = plan, writer, cycles, peers, lapsed
        groups = len(plan.network.groups)
        self._changes = Changes(groups)
        provider = {p.provider_id: i for i, p in enumerate(plan.network.providers)}
        self._owner = np.array([provider[g.provider_id] for g in plan.network.groups], np.int64)
        self._told_until: Mapping[ForecastKind, Ints] = {}
        self._written: dict[ForecastKind, Bools] = {}  # (G,) who is told of a kind
        self._up_to = self._behind = 0  # of the chain, of the messages of others
        self._sent = Counter[str]()

    def note(self, table: CapacityTable, before: CapacityTable | None, groups: Ints) -> None:
        """As of `Changes`."""
        self._changes.note(table, before, groups)

    async def write_most(self) -> None:
        """Write what is due by what is known so far, while requests are still decided."""
        self._told_until = await self._cycles.told_until(self._changes.kinds, len(self._owner))
        self._written = {kind: np.zeros(len(self._owner), bool) for kind in self._changes.kinds}
        self._behind, self._up_to = await self._cycles.newest_message(), await self._cycles.chain_length()
        for kind, groups in (await self._cycles.told_since(self._plan.made_at)).items():
            self._changes.doubt(kind, groups)
        online, insistent = await self._connected()
        for kind in self._changes.kinds:
            wanted = self._wanted(kind, online, insistent)
            wanted[list(ended_of(self._lapsed, kind, np.flatnonzero(online)))] = False  # told behind the gate
            await self._write(kind, wanted)

    async def write_rest(self) -> Sums:
        """Write, behind the closed gate, what is due beside that; who connects later is told after the commit."""
        for kind, groups in (await self._cycles.told_after(self._up_to)).items():
            self._changes.doubt(kind, groups)
        for kind, groups in (await self._cycles.queued_behind(self._behind)).items():
            if kind in self._written:
                await self._take_back(kind, groups)
        online, insistent = await self._connected()
        held_back = {}
        for kind in self._changes.kinds:
            wanted = self._wanted(kind, online, insistent) & ~self._written[kind]
            ended = ended_of(self._lapsed, kind, np.flatnonzero(online))
            wanted[list(ended)] = False
            await self._write(kind, wanted)
            for group_no, request_id in ended.items():
                self._sent[kind.value] += await self._writer.send(kind, [group_no], correlation_id=request_id)
                self._written[kind][group_no] = True
            held_back[kind.value] = int((online & ~self._written[kind]).sum())
        return Sums(sent=dict(self._sent), held_back=held_back)

    async def _take_back(self, kind: ForecastKind, groups: Ints) -> None:
        """Take out again what was written for these groups: it has to come after what was queued for them meanwhile."""
        self._changes.doubt(kind, groups)
        again = groups[self._written[kind][groups]]
        self._written[kind][again] = False
        self._sent[kind.value] -= await self._writer.take_back(kind, again.tolist())

    async def _connected(self) -> tuple[Bools, Bools]:
        """Of which groups the provider is connected, and of which it wants to be told each cycle, (G,)."""
        connected, told_each = await self._peers.connected_providers(), await self._peers.told_each_cycle()
        return np.isin(self._owner, list(connected)), np.isin(self._owner, list(told_each))

    def _wanted(self, kind: ForecastKind, online: Bools, insistent: Bools) -> Bools:
        wanted: Bools = online & (insistent | self._changes.due(kind, self._told_until[kind]))
        return wanted

    async def _write(self, kind: ForecastKind, wanted: Bools) -> None:
        self._sent[kind.value] += await self._writer.send(kind, np.flatnonzero(wanted).tolist())
        self._written[kind] |= wanted
