"""Who is at the door: sessions, forms that prove where they come from, what a role may."""

import hmac
import secrets
from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Request
from litestar.datastructures import Cookie
from litestar.response import Redirect, Response

from ampacity.console.desk import Console
from ampacity.errors import Refused, Unauthorised
from ampacity.operations.accounts import form_token, require, who_is
from ampacity.people import Permission, SignedIn

Asked = Request[Any, Any, Any]
SAFE = ("GET", "HEAD")
FORM_FIELD = "form_token"
FORM_HEADER = "x-form-token"
VISITOR_COOKIE = "ampacity_visitor"


def console_of(request: Asked) -> Console:
    """The console that a request belongs to; its router keeps it."""
    console: Console = request.state.console
    return console


def visitor(request: Asked) -> SignedIn:
    """Who asks; there is always somebody behind the door."""
    who: SignedIn = request.state.who
    return who


def allow(request: Asked, permission: Permission) -> SignedIn:
    """Who asks, if the role allows it.

    Raises:
        Refused: it does not.
    """
    who = visitor(request)
    require(who, permission)
    return who


async def enter(request: Asked, console: Console) -> Response[Any] | None:
    """Before every page behind the door: a session, and for acts a form of ours."""
    request.state.console = console
    token = request.cookies.get(console.cookie, "")
    who = await who_is(console.reception, token) if token else None
    if who is None:
        return _turn_away(request)
    request.state.who, request.state.token = who, token
    if request.method not in SAFE:
        await check_form(request, form_token(token))
    return None


def _turn_away(request: Asked) -> Response[Any]:
    if request.method in SAFE and "text/html" in request.headers.get("accept", "text/html"):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/console/sign-in?next={quote(here, safe='')}", status_code=303)
    raise Unauthorised("sign in first")


async def check_form(request: Asked, expected: str) -> None:
    """A form that changes something comes from a page of ours, filled in by the one who is signed in.

    Raises:
        Refused: it does not show its token, or comes from elsewhere.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Refused("this form was sent from another site")
    shown = request.headers.get(FORM_HEADER) or str((await request.form()).get(FORM_FIELD, ""))
    if not hmac.compare_digest(shown.encode(), expected.encode()):
        raise Refused("this form is too old or not from here: load the page again")


def session_cookie(console: Console, token: str) -> Cookie:
    """The cookie of a session; it ends with the browser, the session on the server."""
    return Cookie(
        key=console.cookie, value=token, path="/", httponly=True, secure=console.settings.secure_cookies, samesite="lax"
    )


def visitor_cookie(console: Console, value: str) -> Cookie:
    """Binds the sign-in form to the browser that got it."""
    return Cookie(
        key=VISITOR_COOKIE, value=value, path="/console", httponly=True, secure=console.settings.secure_cookies,
        samesite="lax", max_age=3600,
    )  # fmt: skip


def new_visitor() -> str:
    return secrets.token_urlsafe(24)


def local_path(wanted: str) -> str:
    """Where to go after signing in: a page of ours and nothing else."""
    parts = urlsplit(wanted)
    fits = not parts.scheme and not parts.netloc and parts.path.startswith("/console") and "\\" not in wanted
    return wanted if fits else "/console/"


def address_of(request: Asked, console: Console) -> str:
    """From where somebody tries to sign in."""
    address = request.client.host if request.client else "unknown"
    forwarded = request.headers.get("x-forwarded-for", "")
    if forwarded and address in console.settings.trusted_proxies:
        return forwarded.rsplit(",", 1)[-1].strip()
    return address
