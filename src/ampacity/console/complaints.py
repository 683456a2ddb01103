"""Providers that say they cannot keep a forecast: the list, and taking note of one."""

from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from ampacity.console.front import Asked, allow, console_of, local_path
from ampacity.console.render import page
from ampacity.errors import Refused
from ampacity.operations.acknowledge_complaint import acknowledge_complaint
from ampacity.people import Permission

MOST = 200


@get("/complaints")
async def complaints_page(request: Asked) -> Response[str]:
    """All complaints, the open ones first."""
    found = await console_of(request).ports.complaints.complaints(group_no=None, only_open=False, limit=MOST)
    return await page(request, "complaints.html", complaints=found, most=MOST)


@post("/complaints/acknowledge")
async def acknowledge_act(request: Asked) -> Response[Any]:
    """Take note of one."""
    console = console_of(request)
    who = allow(request, Permission.OPERATE)
    given = {str(k): str(v) for k, v in (await request.form()).items()}
    if not given.get("no", "").isdecimal() or len(given["no"]) > 18:
        raise Refused("this form is not complete: load the page again")
    await acknowledge_complaint(
        who, int(given["no"]), given.get("note", "")[:300], complaints=console.ports.complaints,
        people=console.ports.people, wall=console.wall,
    )  # fmt: skip
    return Redirect(local_path(given.get("next", "/console/complaints")), status_code=303)
