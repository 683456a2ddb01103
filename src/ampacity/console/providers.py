"""Providers: their sessions, what waits for them, what was given up."""

from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from ampacity.console.front import Asked, allow, console_of
from ampacity.console.render import page
from ampacity.errors import NotFound
from ampacity.operations.dead_letters import retry_dead_letters
from ampacity.people import Permission


@get("/providers")
async def providers_page(request: Asked) -> Response[str]:
    """All providers."""
    console = console_of(request)
    rows = await console.ports.views.providers()
    dead = await console.ports.views.messages(group_no=None, provider_no=None, state="dead", limit=50)
    connected = set(await console.ports.peers.connected_providers())
    return await page(request, "providers.html", rows=rows, dead=dead, connected=connected)


@post("/providers/retry")
async def retry_act(request: Asked) -> Response[Any]:
    """Send again what was given up."""
    console = console_of(request)
    who = allow(request, Permission.OPERATE)
    provider_id = str((await request.form()).get("provider", ""))
    row = next((r for r in await console.ports.views.providers() if r.provider_id == provider_id), None)
    if row is None:
        raise NotFound(f"there is no provider {provider_id}")
    await retry_dead_letters(
        who, row.provider_no, provider_id, letters=console.ports.dead_letters, people=console.ports.people,
        wall=console.wall,
    )  # fmt: skip
    return Redirect("/console/providers", status_code=303)
