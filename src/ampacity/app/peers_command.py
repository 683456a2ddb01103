"""`ampacity peers`: invite, list and remove Flexibility Providers."""

from datetime import datetime

import msgspec
from rich.console import Console
from rich.table import Table

from ampacity.app.peering import peer_desk
from ampacity.errors import NotFound, Unsuitable
from ampacity.operations.desk import Desk
from ampacity.operations.register import invite, remove, start
from ampacity.oscp.guard import allowed_target
from ampacity.oscp.profiles import profile_of
from ampacity.oscp.routes import PATH
from ampacity.oscp.settings import OscpSettings
from ampacity.peers.types import Peer, Profile
from ampacity.store.pool import Pool


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider needs to register with us."""

    provider_id: str
    token: str
    base_url: str


class PeerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A peer as the list shows it."""

    provider_id: str
    state: str
    since: datetime
    base_url: str | None
    last_heartbeat_at: datetime | None
    offline_mode_at: datetime | None
    heartbeat_interval_s: float | None
    preset: str
    last_error: str | None


def read_profile(text: str | None) -> Profile | None:
    """The traits of a peer from `--profile`: the name of a preset, or a JSON object.

    >>> read_profile("pyoscp")
    {'preset': 'pyoscp'}

    Raises:
        Unsuitable: neither, or a wrong trait.
    """
    if text is None:
        return None
    traits: dict[str, object] = {"preset": text}
    if text.lstrip().startswith("{"):
        try:
            traits = msgspec.json.decode(text, type=dict[str, object])
        except msgspec.DecodeError as wrong:
            raise Unsuitable(f"--profile: {wrong}") from wrong
    profile_of(traits)
    return traits


async def add_peer(
    pool: Pool, settings: OscpSettings, *, provider_id: str, public_url: str, profile: Profile | None = None
) -> Invitation:
    """Make a one-time token for a provider that starts the registration.

    Raises:
        NotFound: there is no such provider.
    """
    token = await invite(peer_desk(pool, settings), provider_id, profile)
    return Invitation(provider_id=provider_id, token=token, base_url=public_url.rstrip("/") + PATH)


async def start_peer(
    pool: Pool, settings: OscpSettings, *, provider_id: str, url: str, token: str, profile: Profile | None = None
) -> None:
    """Register with a provider at its address; the running server sends it.

    Raises:
        NotFound: there is no such provider.
        Refused: the address is not one that may be called.
    """
    allowed_target(url, settings.trusted_hosts)
    desk = peer_desk(pool, settings)
    await start(desk, provider_id, base_url=url.rstrip("/"), token=token, profile=profile)


async def list_peers(pool: Pool, settings: OscpSettings) -> list[PeerLine]:
    """All peers, by provider."""
    return [_line(peer) for peer in await peer_desk(pool, settings).peers.peers()]


async def remove_peer(pool: Pool, settings: OscpSettings, *, provider_id: str) -> None:
    """End the session of a provider: no token of it is good any more.

    Raises:
        NotFound: it has none.
    """
    desk = peer_desk(pool, settings)
    await remove(desk, (await _peer_named(desk, provider_id)).provider_no)


def show_peers(lines: list[PeerLine], console: Console) -> None:
    """A table of peers."""
    table = Table("provider", "state", "since", "address", "last error")
    for line in lines:
        since = f"{line.since:%Y-%m-%d %H:%M:%SZ}"
        table.add_row(line.provider_id, line.state, since, line.base_url or "", line.last_error or "")
    console.print(table)


async def _peer_named(desk: Desk, provider_id: str) -> Peer:
    for peer in await desk.peers.peers():
        if peer.provider_id == provider_id:
            return peer
    raise NotFound(f"{provider_id} is no peer")


def _line(peer: Peer) -> PeerLine:
    return PeerLine(
        provider_id=peer.provider_id, state=peer.state.value, since=peer.state_since, base_url=peer.base_url,
        last_heartbeat_at=peer.last_heartbeat_at, offline_mode_at=peer.offline_mode_at,
        heartbeat_interval_s=peer.demands.heartbeat_interval_s,
        preset=str(peer.profile.get("preset") or ""), last_error=peer.last_error,
    )  # fmt: skip
