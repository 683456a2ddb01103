"""Providers: their sessions, what waits for them, what was given up."""

from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from ampacity.console.desk import Console
from ampacity.console.front import Asked, allow, console_of
from ampacity.console.render import page
from ampacity.console_ports import ProviderLine
from ampacity.errors import NotFound, NotReady
from ampacity.operations.dead_letters import retry_dead_letters
from ampacity.operations.desk import Desk
from ampacity.operations.providers import invite_provider, remove_provider
from ampacity.people import Permission


@get("/providers")
async def providers_page(request: Asked) -> Response[str]:
    """All providers."""
    console = console_of(request)
    rows = await console.ports.views.providers()
    dead = await console.ports.views.messages(group_no=None, provider_no=None, state="dead", limit=50)
    return await page(
        request, "providers.html", rows=rows, dead=dead, token=None, invited="",
        can_invite=console.ports.sessions is not None,
    )  # fmt: skip


@post("/providers/invite", status_code=200)
async def invite_act(request: Asked) -> Response[Any]:
    """Make a token for a provider that will register; it is shown this once."""
    console = console_of(request)
    who = allow(request, Permission.ADMINISTER)
    provider_id = str((await request.form()).get("provider", ""))
    token = await invite_provider(who, provider_id, _sessions(console), console.ports.people, console.wall)
    rows = await console.ports.views.providers()
    return await page(request, "providers.html", rows=rows, dead=[], token=token, invited=provider_id, can_invite=True)


@post("/providers/remove")
async def remove_act(request: Asked) -> Response[Any]:
    """End a provider's session; none of its tokens is good any more."""
    console = console_of(request)
    who = allow(request, Permission.ADMINISTER)
    row = await _provider(request, console)
    await remove_provider(who, row.provider_no, row.provider_id, _sessions(console), console.ports.people, console.wall)
    return Redirect("/console/providers", status_code=303)


@post("/providers/retry")
async def retry_act(request: Asked) -> Response[Any]:
    """Send again what was given up."""
    console = console_of(request)
    who = allow(request, Permission.OPERATE)
    row = await _provider(request, console)
    await retry_dead_letters(
        who, row.provider_no, row.provider_id, letters=console.ports.dead_letters, people=console.ports.people,
        wall=console.wall,
    )  # fmt: skip
    return Redirect("/console/providers", status_code=303)


async def _provider(request: Asked, console: Console) -> ProviderLine:
    provider_id = str((await request.form()).get("provider", ""))
    row = next((r for r in await console.ports.views.providers() if r.provider_id == provider_id), None)
    if row is None:
        raise NotFound(f"there is no provider {provider_id}")
    return row


def _sessions(console: Console) -> Desk:
    if console.ports.sessions is None:
        raise NotReady("this server keeps no sessions with providers")
    return console.ports.sessions
