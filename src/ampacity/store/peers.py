"""Sessions of peers and the tokens that we issued, in PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from ampacity.errors import NotFound
from ampacity.network import ForecastKind
from ampacity.peers.session import PeerEvent, PeerState, next_state
from ampacity.peers.types import Behaviour, Caller, Figures, Peer, TokenPurpose
from ampacity.ports import Away
from ampacity.store.outbox import figures_of
from ampacity.store.pool import Pool
from ampacity.store.sql import sql

_DIRECT = (
    "base_url", "token_sealed", "started_by", "register_id", "profile", "next_beat_at", "offline_mode_at",
    "handshake_id", "acknowledge_id", "step_at", "attempts", "last_error", "connected_at",
    "last_heartbeat_at",
)  # fmt: skip


class PeerStore:
    """The port `Peers` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def caller(self, token_hash: bytes) -> Caller | None:
        row = await self._pool.fetchrow(sql("caller_of_token"), token_hash)
        if row is None:
            return None
        return Caller(peer=_peer(row), purpose=TokenPurpose(row["purpose"]), token_hash=token_hash)

    async def callers(self, token_hashes: Sequence[bytes]) -> dict[bytes, Caller]:
        return {
            row["token_hash"]: Caller(
                peer=_peer(row), purpose=TokenPurpose(row["purpose"]), token_hash=row["token_hash"]
            )
            for row in await self._pool.fetch(sql("callers_of_tokens"), list(token_hashes))
        }

    async def peer(self, provider_no: int) -> Peer | None:
        row = await self._pool.fetchrow(sql("peer_of_provider"), provider_no)
        return None if row is None else _peer(row)

    async def peers_of(self, provider_nos: Sequence[int]) -> dict[int, Peer]:
        rows = await self._pool.fetch(sql("peers_of_providers"), list(provider_nos))
        return {row["provider_no"]: _peer(row) for row in rows}

    async def peers(self) -> list[Peer]:
        return [_peer(row) for row in await self._pool.fetch(sql("all_peers"))]

    async def enrol(self, provider_id: str, at: datetime) -> Peer:
        await self._pool.execute(sql("enrol_peer"), provider_id, at)
        provider_no = await self._pool.fetchval(sql("provider_no_of"), provider_id)
        if provider_no is None:
            raise NotFound(f"provider {provider_id} is not in the grid")
        peer = await self.peer(provider_no)
        assert peer is not None
        return peer

    async def change(
        self, provider_no: int, event: PeerEvent, at: datetime, alter: Callable[[Peer], Peer] = lambda p: p
    ) -> Peer | None:
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql("peer_of_provider_locked"), provider_no)
            if row is None:
                return None
            before = _peer(row)
            state = next_state(before.state, event)
            if state is None:
                return None
            after = alter(before)
            since = before.state_since if state is before.state else at
            after = replace(after, state=state, state_since=since)
            await _save(connection, after)
            if state is not before.state or event is not PeerEvent.HEARD:
                await connection.execute(sql("add_peer_event"), provider_no, at, event, before.state, state)
            return after

    async def note(self, provider_no: int, alter: Callable[[Peer], Peer]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql("peer_of_provider_locked"), provider_no)
            if row is not None:
                await _save(connection, alter(_peer(row)))

    async def add_token(self, provider_no: int, token_hash: bytes, purpose: TokenPurpose, at: datetime) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("revoke_stale_pending_tokens"), provider_no, at)
            await connection.execute(sql("add_peer_token"), token_hash, provider_no, purpose, at)

    async def activate(self, provider_no: int, token_hash: bytes, at: datetime) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("revoke_replaced_tokens"), provider_no, token_hash, at)
            await connection.execute(sql("activate_token"), provider_no, token_hash)

    async def revoke_all(self, provider_no: int, at: datetime) -> None:
        await self._pool.execute(sql("revoke_all_tokens"), provider_no, at)

    async def connected_providers(self) -> set[int]:
        """Numbers of the providers whose peer is connected."""
        return {row["provider_no"] for row in await self._pool.fetch(sql("connected_providers"))}

    async def away_providers(self) -> list[Away]:
        return [Away(**row) for row in await self._pool.fetch(sql("away_providers"))]

    async def figures_told(self, group_nos: Sequence[int], kind: ForecastKind) -> list[tuple[int, Figures]]:
        rows = await self._pool.fetch(sql("figures_told"), list(group_nos), kind.value)
        return [(row["group_no"], figures_of(row)) for row in rows]

    async def told_each_cycle(self) -> set[int]:
        """Numbers of the providers whose profile asks for every forecast."""
        return {row["provider_no"] for row in await self._pool.fetch(sql("providers_told_each_cycle"))}

    async def due_steps(self, now: datetime, until: datetime) -> list[Peer]:
        return [_peer(row) for row in await self._pool.fetch(sql("take_due_steps"), now, until)]

    async def due_beats(self, now: datetime) -> list[Peer]:
        return [_peer(row) for row in await self._pool.fetch(sql("take_due_beats"), now)]

    async def quieten(self, provider_no: int, beat_at: datetime | None) -> None:
        await self.note(provider_no, lambda p: replace(p, next_beat_at=beat_at))

    async def overdue(self, now: datetime) -> list[Peer]:
        return [_peer(row) for row in await self._pool.fetch(sql("overdue_peers"), now)]


def _peer(row: asyncpg.Record) -> Peer:
    values: dict[str, Any] = {name: row[name] for name in _DIRECT}
    return Peer(
        provider_no=row["provider_no"],
        provider_id=row["provider_id"],
        state=PeerState(row["state"]),
        state_since=row["state_since"],
        demands=Behaviour(
            heartbeat_interval_s=row["heartbeat_interval_s"], measurements=tuple(row["measurement_configuration"])
        ),
        **values,
    )


async def _save(connection: "asyncpg.Connection[Any]", peer: Peer) -> None:
    await connection.execute(
        sql("save_peer"), peer.provider_no, peer.state, peer.state_since, peer.base_url, peer.token_sealed,
        peer.started_by, peer.register_id, dict(peer.profile), peer.demands.heartbeat_interval_s,
        list(peer.demands.measurements), peer.next_beat_at, peer.offline_mode_at, peer.handshake_id,
        peer.acknowledge_id, peer.step_at, peer.attempts, peer.last_error, peer.connected_at,
        peer.last_heartbeat_at,
    )  # fmt: skip
