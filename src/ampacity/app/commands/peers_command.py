"""`ampacity peers add|list|remove`."""

from typing import Annotated

import msgspec
import typer

from ampacity.app.commands.options import AsJson, Config, secured, with_store
from ampacity.app.peers_command import (
    Invitation,
    PeerLine,
    add_peer,
    list_peers,
    read_profile,
    remove_peer,
    show_peers,
    start_peer,
)
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.errors import Unsuitable
from ampacity.peers.types import Profile

peers = typer.Typer(help="Invite, list and remove Flexibility Providers.", no_args_is_help=True)

ProviderId = Annotated[str, typer.Argument(help="A provider of the grid.", metavar="PROVIDER")]
Url = Annotated[str | None, typer.Option("--url", help="Its base URL: then the registration starts from our side.")]
Token = Annotated[str | None, typer.Option("--token", help="The one-time token that it gave us; with --url.")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="How it deviates: the name of a preset, or a JSON object.")
]


@peers.command("add")
def add(
    provider: ProviderId,
    url: Url = None,
    token: Token = None,
    profile: ProfileOption = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a one-time token for a provider; with --url and --token register with it instead."""
    if (url is None) != (token is None):
        raise Unsuitable("--url and --token go together: both to start from our side, none for a token of ours")
    traits = read_profile(profile)
    if url is None:
        _tell_invitation(_invite(provider, traits, config), as_json=as_json)
        return

    async def start(store: Store, settings: Settings) -> None:
        oscp = secured(settings)
        await start_peer(store.pool, oscp, provider_id=provider, url=url or "", token=token or "", profile=traits)

    with_store(config, start)
    said = {"provider_id": provider, "base_url": url, "state": "registering"}
    print(msgspec.json.encode(said).decode() if as_json else f"{provider}: the running server registers with {url}")  # noqa: T201


def _invite(provider: str, traits: Profile | None, config: Config) -> Invitation:
    async def invite(store: Store, settings: Settings) -> Invitation:
        return await add_peer(
            store.pool,
            secured(settings),
            provider_id=provider,
            public_url=settings.server.base_url(),
            profile=traits,
        )

    return with_store(config, invite)


def _tell_invitation(invitation: Invitation, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(invitation).decode())  # noqa: T201
        return
    print(f"provider  {invitation.provider_id}")  # noqa: T201
    print(f"base URL  {invitation.base_url}")  # noqa: T201
    print(f"token     {invitation.token}")  # noqa: T201
    print("The token is shown once.  It is good for one registration: Authorization: Token …")  # noqa: T201


@peers.command("list")
def show(config: Config = None, as_json: AsJson = False) -> None:
    """All peers and the state of their sessions."""

    async def read(store: Store, settings: Settings) -> list[PeerLine]:
        return await list_peers(store.pool, secured(settings))

    lines = with_store(config, read)
    if as_json:
        print(msgspec.json.encode(lines).decode())  # noqa: T201
    else:
        show_peers(lines, plain_console())


@peers.command("remove")
def remove(provider: ProviderId, config: Config = None) -> None:
    """End the session of a provider: no token of it is good any more."""

    async def end(store: Store, settings: Settings) -> None:
        await remove_peer(store.pool, secured(settings), provider_id=provider)

    with_store(config, end)
    print(f"{provider} removed")  # noqa: T201
