"""Signing in and out, and the accounts."""

import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode

from litestar import get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect, Response

from ampacity.console.desk import Console
from ampacity.console.front import (
    VISITOR_COOKIE,
    Asked,
    address_of,
    allow,
    check_form,
    console_of,
    local_path,
    new_visitor,
    session_cookie,
    visitor,
    visitor_cookie,
)
from ampacity.console.render import THEME_COOKIE, THEMES, html, page
from ampacity.errors import Conflict, NotFound, Refused, Unauthorised, Unsuitable
from ampacity.operations.accounts import (
    add_account,
    change_account,
    form_token,
    open_session,
    sign_in,
    sign_in_by_claims,
    sign_out,
)
from ampacity.people import Permission, Role

OIDC_COOKIE = "ampacity_oidc"


@get("/sign-in")
async def sign_in_page(request: Asked) -> Response[Any]:
    """The door; in the demonstration it stands open for its first visitor."""
    console = console_of(request)
    where = local_path(request.query_params.get("next", "/console/"))
    if console.demo_accounts and "out" not in request.query_params:
        return await _enter_demo(console, console.demo_accounts[0], where)
    return _sign_in_form(request, "", where)


@post("/sign-in", status_code=200)
async def sign_in_act(request: Asked) -> Response[Any]:
    """Check name and password."""
    console = console_of(request)
    await check_form(request, form_token(request.cookies.get(VISITOR_COOKIE, secrets.token_hex())))
    given = await request.form()
    where = local_path(str(given.get("next", "")))
    demo = str(given.get("demo", ""))
    if demo and demo in console.demo_accounts:
        return await _enter_demo(console, demo, where)
    if not console.settings.local_accounts:
        raise Refused("passwords are not used here: sign in through the identity provider")
    try:
        token = await sign_in(
            console.reception, str(given.get("name", "")), str(given.get("password", "")), address_of(request, console)
        )
    except (Unauthorised, Refused) as no:
        status = 401 if isinstance(no, Unauthorised) else 429
        return _sign_in_form(request, str(no), where, status_code=status)
    return Redirect(where, status_code=303, cookies=[session_cookie(console, token)])


def _sign_in_form(request: Asked, said: str, where: str, status_code: int = 200) -> Response[str]:
    console = console_of(request)
    mark = request.cookies.get(VISITOR_COOKIE) or new_visitor()
    response = html(
        console, "sign_in.html", request=request, status_code=status_code, said=said, where=where,
        form_token=form_token(mark), has_identity=console.ports.identity is not None,
    )  # fmt: skip
    response.set_cookie(visitor_cookie(console, mark))
    return response


async def _enter_demo(console: Console, name: str, where: str) -> Response[Any]:
    found = await console.ports.people.password_hash(name)
    if found is None:
        raise NotFound(f"the demonstration has no account {name}")
    token = await open_session(console.reception, found[0], "entered the demonstration")
    return Redirect(where, status_code=303, cookies=[session_cookie(console, token)])


@get("/oidc/start")
async def oidc_start(request: Asked) -> Response[Any]:
    """On to the identity provider."""
    console = console_of(request)
    if console.ports.identity is None:
        raise NotFound("there is no identity provider")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    where = local_path(request.query_params.get("next", "/console/"))
    address = await console.ports.identity.start(_callback(console), state, nonce, verifier)
    kept = Cookie(
        key=OIDC_COOKIE, value=urlencode({"s": state, "n": nonce, "v": verifier, "w": where}), path="/console/oidc",
        httponly=True, secure=console.settings.secure_cookies, samesite="lax", max_age=600,
    )  # fmt: skip
    return Redirect(address, status_code=303, cookies=[kept])


@get("/oidc/callback")
async def oidc_callback(request: Asked) -> Response[Any]:
    """Back from the identity provider."""
    console = console_of(request)
    if console.ports.identity is None:
        raise NotFound("there is no identity provider")
    kept = {k: v[0] for k, v in parse_qs(request.cookies.get(OIDC_COOKIE, "")).items()}
    shown = request.query_params.get("state", "")
    if not kept or not secrets.compare_digest(shown.encode(), kept["s"].encode()):
        raise Unauthorised("this sign-in was not started here, or too long ago: try again")
    if "code" not in request.query_params:
        raise Unauthorised(f"the identity provider says: {request.query_params.get('error', 'no')[:100]}")
    claims = await console.ports.identity.finish(_callback(console), request.query_params["code"], kept["n"], kept["v"])
    name = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    token = await sign_in_by_claims(
        console.reception, f"{claims['iss']}#{claims['sub']}", name, str(claims.get("name", "")),
        console.settings.role_of(_claimed(claims.get(console.settings.oidc_role_claim))),
    )  # fmt: skip
    gone = Cookie(key=OIDC_COOKIE, value="", path="/console/oidc", max_age=0)
    return Redirect(local_path(kept["w"]), status_code=303, cookies=[session_cookie(console, token), gone])


def _callback(console: Console) -> str:
    return f"{console.base_url}/console/oidc/callback"


def _claimed(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [] if value is None else [str(value)]


@post("/sign-out")
async def sign_out_act(request: Asked) -> Response[Any]:
    """End the session."""
    console = console_of(request)
    await sign_out(console.reception, visitor(request), request.state.token)
    gone = session_cookie(console, "")
    gone.max_age = 0
    return Redirect("/console/sign-in?out=1", status_code=303, cookies=[gone])


@post("/theme")
async def theme_act(request: Asked) -> Response[Any]:
    """Dark, light, or as the system has it."""
    given = await request.form()
    theme = str(given.get("theme", "system"))
    kept = Cookie(
        key=THEME_COOKIE, value=theme if theme in THEMES else "system", path="/console", max_age=31_536_000,
        samesite="lax", secure=console_of(request).settings.secure_cookies,
    )  # fmt: skip
    return Redirect(local_path(str(given.get("next", ""))), status_code=303, cookies=[kept])


@get("/accounts")
async def accounts_page(request: Asked) -> Response[str]:
    """Who may enter."""
    allow(request, Permission.ADMINISTER)
    return await _accounts(request, "")


@post("/accounts", status_code=200)
async def accounts_act(request: Asked) -> Response[Any]:
    """Let a person in, or change what one may do."""
    console = console_of(request)
    who = allow(request, Permission.ADMINISTER)
    given = {str(k): str(v) for k, v in (await request.form()).items()}
    try:
        role, name, full_name = _role(given.get("role", "")), given.get("name", ""), given.get("full_name", "")
        if given.get("act") == "add":
            await add_account(
                console.reception, who, name, role, full_name=full_name, password=given.get("password", "")
            )
        else:
            await change_account(
                console.reception, who, name, role=role, full_name=full_name, password=given.get("password") or None,
                is_closed=given.get("closed") == "yes",
            )  # fmt: skip
    except (Unsuitable, Conflict, NotFound) as wrong:
        return await _accounts(request, str(wrong), status_code=422)
    return Redirect("/console/accounts", status_code=303)


def _role(text: str) -> Role:
    if text not in set(Role):
        raise Unsuitable("choose a role")
    return Role(text)


async def _accounts(request: Asked, said: str, status_code: int = 200) -> Response[str]:
    accounts = await console_of(request).ports.people.accounts()
    return await page(request, "accounts.html", accounts=accounts, roles=list(Role), said=said, status_code=status_code)
