"""`ampacity emergency`: lower what may be used behind an element, at once."""

from datetime import datetime
from typing import Annotated

import msgspec
import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, parse_moment, with_store
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.operations.emergency import Imposed, impose

Element = Annotated[str, typer.Argument(help="Element, by the name in elements.csv.")]
Limit = Annotated[float, typer.Option("--limit", metavar="W", help="What it may carry, all phases together [W].")]
Until = Annotated[
    datetime,
    typer.Option(
        "--until", parser=parse_moment, metavar="TIME", help="When it ends; now ends what was imposed before."
    ),
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the decision.")]


def emergency(
    element: Element,
    limit: Limit,
    until: Until,
    reason: Why,
    at: At = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Lower everybody behind an element by the same filling, and tell them at once."""

    async def work(store: Store, settings: Settings) -> Imposed:
        return await impose(
            element,
            limit,
            until,
            reason,
            now=at or wall_clock(),
            power_factor=settings.cycle.power_factor,
            grid=store.grid,
            requests=store.requests,
        )

    imposed = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(imposed).decode())  # noqa: T201
    else:
        print(  # noqa: T201
            f"decision {imposed.decision_id}: {imposed.groups} groups lowered, together by up to "
            f"{imposed.lowered_w / 1000:.1f} kW, {imposed.messages} messages on their way"
        )
