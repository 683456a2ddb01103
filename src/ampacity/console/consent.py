"""An operator's yes or no to a large request."""

from typing import Any

from litestar import post
from litestar.response import Redirect, Response

from ampacity.console.front import Asked, allow, console_of
from ampacity.console.negotiations import inbox
from ampacity.errors import Refused
from ampacity.operations.consent import answer_request
from ampacity.people import Permission


@post("/negotiations/answer", status_code=200)
async def answer_act(request: Asked) -> Response[Any]:
    """Say yes, and the rule decides; or no, with the reason."""
    console = console_of(request)
    who = allow(request, Permission.OPERATE)
    given = {str(k): str(v) for k, v in (await request.form()).items()}
    number, answer, reason = given.get("no", ""), given.get("answer", ""), given.get("reason", "").strip()[:300]
    if not number.isdecimal() or len(number) > 18 or answer not in {"yes", "no"}:
        raise Refused("this form is not complete: load the page again")
    if answer == "no" and not reason:
        said = f"Request {number} is not answered: a no needs a reason, which the provider is told."
        return await inbox(request, said=said, status_code=422)
    await answer_request(console.consent_desk, who, int(number), is_given=answer == "yes", reason=reason)
    return Redirect(f"/console/negotiations?done={'approved' if answer == 'yes' else 'refused'}", status_code=303)
