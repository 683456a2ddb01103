"""`ampacity requests list|approve|refuse`: an operator's yes or no to large requests."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, with_store
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.operations.consent import ConsentDesk, answer_request, waiting_for_consent
from ampacity.ports import AskedConsent, Clock
from ampacity.store.people import PostgresPeople
from ampacity.timegrid import moment_of

requests = typer.Typer(help="Large requests that wait for an operator's yes or no.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="The request's number, as `list` shows it.", metavar="REQUEST")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the request.")]
NeededReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the request; a no needs one.")]


def desk_of(store: Store, clock: Clock) -> ConsentDesk:
    """Where requests are answered."""
    return ConsentDesk(requests=store.requests, people=PostgresPeople(store.pool), clock=clock, wall=wall_clock)


@requests.command("list")
def show(at: At = None, config: Config = None, as_json: AsJson = False) -> None:
    """What waits for a yes or no, the most urgent first."""

    async def work(store: Store, _settings: Settings) -> list[dict[str, object]]:
        return [_row(r) for r in await waiting_for_consent(desk_of(store, lambda: at or wall_clock()))]

    rows = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(rows).decode())  # noqa: T201
        return
    for row in rows:
        print(  # noqa: T201
            "{request}  {provider} asks for {group} up to {wanted_kw} kW ({rise_kw} kW more) {kind} "
            "from {start} to {end}; the rule decides at {until}".format(**row)
        )


@requests.command("approve")
def approve(number: Number, reason: Reason = "", at: At = None, config: Config = None) -> None:
    """Say yes: the rule decides, as on any request."""
    _answer(number, config, at, is_given=True, reason=reason)
    print(f"request {number} is approved: the rule decides on it")  # noqa: T201


@requests.command("refuse")
def refuse(number: Number, reason: NeededReason = "", at: At = None, config: Config = None) -> None:
    """Say no: the request is refused with the reason."""
    _answer(number, config, at, is_given=False, reason=reason)
    print(f"request {number} is refused: its provider is told the forecast that holds")  # noqa: T201


def _answer(number: int, config: Path | None, at: datetime | None, *, is_given: bool, reason: str) -> None:
    async def work(store: Store, _settings: Settings) -> None:
        desk = desk_of(store, lambda: at or wall_clock())
        await answer_request(desk, "command line", number, is_given=is_given, reason=reason)

    with_store(config, work)


def _row(asked: AskedConsent) -> dict[str, object]:
    return {
        "request": asked.request_no,
        "request_id": asked.request_id,
        "provider": asked.provider_id,
        "group": asked.group_id,
        "kind": asked.kind.value,
        "wanted_kw": round(float(np.nanmax(asked.wanted_w, initial=0.0)) / 1000, 2),
        "rise_kw": round(asked.rise_w / 1000, 2),
        "start": moment_of(asked.first_quarter).isoformat(),
        "end": moment_of(asked.first_quarter + len(asked.wanted_w)).isoformat(),
        "received_at": asked.received_at.isoformat(),
        "until": asked.until.isoformat(),
    }
