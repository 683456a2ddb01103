"""`ampacity replay`, `ampacity explain`: that a decision was right, and why it is as it is."""

from typing import Annotated

import msgspec
import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, At, Config, with_store
from ampacity.app.plain import plain_console
from ampacity.app.session import Store
from ampacity.errors import Refused
from ampacity.network import Direction
from ampacity.operations.explain import ExplainedBlock, explain_group
from ampacity.operations.replay import Replayed, replay
from ampacity.ports import BrokenLink
from ampacity.store.records import PostgresRecords

Decision = Annotated[int, typer.Argument(help="Number of the decision, as `ampacity cycle` shows it.")]
Newest = Annotated[int, typer.Option("--newest", min=1, help="So many decisions, back from that one.")]
Group = Annotated[str, typer.Argument(help="Group, by the name in groups.csv.")]
ForExport = Annotated[bool, typer.Option("--export", help="What it may feed in, instead of draw.")]


def replay_decision(decision: Decision, newest: Newest = 1, config: Config = None, as_json: AsJson = False) -> None:
    """Compute a decision again from its stored inputs; exit status 1 where a byte differs or the chain is broken."""

    async def work(store: Store, _: object) -> tuple[list[Replayed], list[BrokenLink]]:
        records = PostgresRecords(store.pool)
        numbers = await records.newest(newest, decision) if newest > 1 else [decision]
        return [await replay(n, records) for n in numbers], list(await records.broken_links())

    replayed, broken = with_store(config, work)
    if as_json:
        print(msgspec.json.encode({"decisions": replayed, "broken_links": broken}).decode())  # noqa: T201
    else:
        _show(replayed, broken)
    unequal = [r for r in replayed if not r.is_equal]
    if unequal or broken:
        raise Refused(
            f"{len(unequal)} of {len(replayed)} decisions differ, {len(broken)} places in the chain are broken"
        )


def explain(
    group: Group, at: At = None, for_export: ForExport = False, config: Config = None, as_json: AsJson = False
) -> None:
    """Say why a group's capacities are what they are, from now or from a moment on."""

    async def work(store: Store, _: object) -> list[ExplainedBlock]:
        direction = Direction.EXPORT if for_export else Direction.IMPORT
        records = PostgresRecords(store.pool)
        return list(await explain_group(group, at or wall_clock(), direction, grid=store.grid, records=records))

    blocks = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(blocks).decode())  # noqa: T201
        return
    console = plain_console(soft_wrap=True)
    for block in blocks:
        console.print(f"{block.start:%Y-%m-%d %H:%M} to {block.end:%H:%M} UTC  {block.words}")


def _show(replayed: list[Replayed], broken: list[BrokenLink]) -> None:
    console = plain_console(soft_wrap=True)
    for r in replayed:
        same = "equal to the byte" if r.is_equal else "; ".join(r.differences)
        console.print(f"decision {r.decision_id} ({r.kind}), {r.capacities} capacities: {same}")
    for b in broken:
        what = "was changed after it was decided" if b.content_changed else "does not follow from the one before"
        console.print(f"chain, place {b.seq}: decision {b.decision_id} {what}")
