"""The audit log for those who take it away: as CSV, or a JSON object a line."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from ampacity.console_ports import AuditFilter, Views
from ampacity.people import Act

_AT_ONCE = 1000
_MOST = 200_000
_COLUMNS = ("at", "who", "what", "about", "detail")


async def audit_as_csv(views: Views, wanted: AuditFilter) -> AsyncIterator[bytes]:
    """The filtered log with a header line, the newest first."""
    yield (",".join(_COLUMNS) + "\r\n").encode()
    async for acts in _acts(views, wanted):
        yield "".join(",".join(_cell(value) for value in _row(a).values()) + "\r\n" for a in acts).encode()


async def audit_as_json(views: Views, wanted: AuditFilter) -> AsyncIterator[bytes]:
    """The filtered log, an object a line, the newest first."""
    async for acts in _acts(views, wanted):
        yield b"".join(msgspec.json.encode(_row(a)) + b"\n" for a in acts)


async def _acts(views: Views, wanted: AuditFilter) -> AsyncIterator[list[Act]]:
    for offset in range(0, _MOST, _AT_ONCE):
        acts = list(await views.audit(wanted, _AT_ONCE, offset))
        yield acts
        if len(acts) < _AT_ONCE:
            return


def _row(act: Act) -> dict[str, Any]:
    return {"at": act.at.isoformat(), "who": act.who, "what": act.what, "about": act.about, "detail": dict(act.detail)}


def _cell(value: object) -> str:
    """A CSV cell that a spreadsheet takes for text, never for a formula."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if text[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        text = "'" + text
    return '"' + text.replace('"', '""') + '"'
