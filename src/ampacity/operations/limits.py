"""Limits that people set: an emergency at once, an override with four eyes from the next cycle on or at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ampacity.console_ports import LimitStore, PeopleStore
from ampacity.errors import Conflict, NotFound, Refused, Unsuitable
from ampacity.network import ForecastKind, Network
from ampacity.operations.accounts import require
from ampacity.operations.emergency import RatedLimit, impose, lowered, rooms_under
from ampacity.operations.override import LimitMove, override_at_once, rooms_moved, tables_moved
from ampacity.people import LimitChange, LimitKind, LimitState, NewAct, NewLimit, Permission, SignedIn, limit_state
from ampacity.ports import Clock, Emergency, GridStore, RequestStore

LONGEST = {LimitKind.EMERGENCY: timedelta(days=7), LimitKind.OVERRIDE: timedelta(days=366)}
HIGHEST_TIMES_RATING = 2.0


@dataclass(frozen=True, kw_only=True)
class LimitDesk:
    """What setting limits works with; `clock` is the data's, `wall` the wall's."""

    limits: LimitStore
    people: PeopleStore
    grid: GridStore
    requests: RequestStore
    clock: Clock
    wall: Clock
    power_factor: float


async def foresee_limit(desk: LimitDesk, new: NewLimit) -> dict[int, float]:
    """By how much less energy each group could draw if a limit held at once [Wh], by its number; more below 0.

    Raises:
        Unsuitable: as `set_limit`.
    """
    now = desk.clock()
    await _check(desk, new, now)
    network = await desk.grid.network()
    rated_w = network.limit_w(desk.power_factor)[new.element_no]
    emergency = Emergency(new.element_no, _total_w(network, new.element_no, new.limit_w), new.ends_at)
    lost_wh: dict[int, float] = {}
    async with desk.requests.gate() as gate:
        running = await desk.requests.emergencies(now)
        tables = await gate.capacities(len(network.groups), now)
        if ForecastKind.CONSUMPTION not in tables:
            return {}
        if new.kind is LimitKind.OVERRIDE:
            move = LimitMove(change=_as_if_set(new, network, now))
            moved = await rooms_moved(
                move, gate, network, now=now, power_factor=desk.power_factor, grid=desk.grid, requests=desk.requests
            )
            changed = await tables_moved(move, gate, network, moved, desk.requests, now)
        else:
            limit = RatedLimit(rated_w=rated_w, grid=desk.grid)
            changed = lowered(
                network, await rooms_under(gate, network, limit, emergency, running=running, now=now), tables, now
            )
        for table, groups in changed:
            if table.kind is ForecastKind.CONSUMPTION:
                less_wh = table.fell_w.sum(axis=1) * table.steps.quarters / 4.0
                lost_wh.update(zip(groups, less_wh.tolist(), strict=True))
    return lost_wh


async def set_limit(desk: LimitDesk, who: SignedIn, new: NewLimit) -> int:
    """Set an emergency limit, which holds at once, or propose an override, which waits for a second person.

    Raises:
        Refused: `who` may not.
        Unsuitable: element, limit, times or reason are not fit.
    """
    require(who, Permission.OPERATE if new.kind is LimitKind.EMERGENCY else Permission.PROPOSE)
    now = desk.clock()
    element_id = await _check(desk, new, now)
    replaced = await _replaced(desk, new, now)
    number = await desk.limits.set_limit(new, who.account_no, now)
    what = "set an emergency limit" if new.kind is LimitKind.EMERGENCY else "proposed an override"
    await _record(desk, who, what, number, element_id)
    for old in replaced:
        await desk.limits.answer_limit(old.limit_no, "withdrawn", who.account_no, now)
        await _record(desk, who, "replaced an emergency limit", old.limit_no, element_id)
    if new.kind is LimitKind.EMERGENCY:
        await _impose(desk, await _known(desk, number), new.ends_at)
    return number


async def _replaced(desk: LimitDesk, new: NewLimit, now: datetime) -> list[LimitChange]:
    """Emergencies of people that the new one replaces: of an element the newest word holds."""
    if new.kind is not LimitKind.EMERGENCY:
        return []
    before = await desk.limits.limits(element_no=new.element_no, ends_after=now)
    return [
        c for c in before
        if c.kind is LimitKind.EMERGENCY and c.limit_no > 0 and limit_state(c, now) is LimitState.HOLDS
    ]  # fmt: skip


async def confirm_limit(desk: LimitDesk, who: SignedIn, limit_no: int) -> None:
    """Confirm what somebody else proposed: it holds from the next cycle on, or at once where that was proposed.

    Raises:
        Refused: `who` may not, or set it.
        Conflict: it does not wait any more.
        NotFound: there is no such limit.
    """
    change = await _waiting(desk, who, limit_no)
    if change.set_by_no == who.account_no:
        raise Refused("who sets a limit does not confirm it: a second person has to")
    await desk.limits.answer_limit(limit_no, "confirmed", who.account_no, desk.clock())
    await _record(desk, who, "confirmed an override", limit_no, change.element_id)
    if change.at_once:
        await _move(desk, LimitMove(change=await _known(desk, limit_no)))


async def refuse_limit(desk: LimitDesk, who: SignedIn, limit_no: int) -> None:
    """Refuse what was proposed; raises as `confirm_limit`, but one may refuse one's own."""
    change = await _waiting(desk, who, limit_no)
    await desk.limits.answer_limit(limit_no, "refused", who.account_no, desk.clock())
    await _record(desk, who, "refused an override", limit_no, change.element_id)


async def withdraw_limit(desk: LimitDesk, who: SignedIn, limit_no: int) -> None:
    """End a limit before its time; the next cycle gives back what it took, of one that counted at once this does.

    Raises:
        Refused, Conflict, NotFound.
    """
    require(who, Permission.OPERATE)
    change = await _known(desk, limit_no)
    if limit_state(change, desk.clock()) not in {LimitState.HOLDS, LimitState.AHEAD}:
        raise Conflict(f"limit {limit_no} does not hold (any more)")
    if limit_no > 0:  # those of the command line end by a newer word alone
        await desk.limits.answer_limit(limit_no, "withdrawn", who.account_no, desk.clock())
    await _record(desk, who, "withdrew a limit", limit_no, change.element_id)
    if change.kind is LimitKind.EMERGENCY:
        await _impose(desk, change, desk.clock())
    elif change.at_once:
        await _move(desk, LimitMove(change=change, is_withdrawn=True))


async def current_limits(desk: LimitDesk) -> Sequence[tuple[LimitChange, LimitState]]:
    """Limits that wait, hold or ended in the last week."""
    now = desk.clock()
    found = await desk.limits.limits(element_no=None, ends_after=now - timedelta(days=7))
    return [(c, limit_state(c, now)) for c in found]


async def _impose(desk: LimitDesk, change: LimitChange, until: datetime) -> None:
    """Lower what is out at once; until now ends what was imposed before."""
    network = await desk.grid.network()
    await impose(
        change.element_id, _total_w(network, change.element_no, change.limit_w), until, change.reason,
        now=desk.clock(), power_factor=desk.power_factor, grid=desk.grid, requests=desk.requests,
        limit_no=change.limit_no if change.limit_no > 0 else None,
    )  # fmt: skip


async def _move(desk: LimitDesk, move: LimitMove) -> None:
    """Decide at once under an override."""
    await override_at_once(
        move, now=desk.clock(), power_factor=desk.power_factor, grid=desk.grid, requests=desk.requests
    )


def _as_if_set(new: NewLimit, network: Network, now: datetime) -> LimitChange:
    """A limit that is not set yet, as if it were confirmed already."""
    return LimitChange(
        limit_no=0, element_no=new.element_no, element_id=str(network.elements[new.element_no].element_id),
        kind=new.kind, limit_w=new.limit_w, starts_at=new.starts_at, ends_at=new.ends_at, reason=new.reason,
        at_once=True, set_by="", set_by_no=0, set_at=now, decided_at=now, confirmed_by=None, refused_at=None,
        refused_by=None, withdrawn_at=None, withdrawn_by=None,
    )  # fmt: skip


def _total_w(network: Network, element_no: int, limit_w: float) -> float:
    """A limit on each phase as one on all of them together."""
    return limit_w * int(network.has_phase[element_no].sum())


async def _waiting(desk: LimitDesk, who: SignedIn, limit_no: int) -> LimitChange:
    require(who, Permission.OPERATE)
    change = await _known(desk, limit_no)
    if limit_state(change, desk.clock()) is not LimitState.PROPOSED:
        raise Conflict(f"limit {limit_no} does not wait for an answer (any more)")
    return change


async def _known(desk: LimitDesk, limit_no: int) -> LimitChange:
    change = await desk.limits.limit(limit_no)
    if change is None:
        raise NotFound(f"there is no limit {limit_no}")
    return change


async def _check(desk: LimitDesk, new: NewLimit, now: datetime) -> str:
    """The element's id; raises Unsuitable with every fault."""
    network = await desk.grid.network()
    if not 0 <= new.element_no < len(network.elements):
        raise NotFound("there is no such element")
    rated_w = float(network.limit_w(desk.power_factor)[new.element_no].max())
    faults = []
    if not new.reason.strip():
        faults.append("reason: say why, in a few words")
    if new.ends_at <= max(new.starts_at, now):
        faults.append(f"until: {new.ends_at:%Y-%m-%d %H:%M} UTC is past, or before it starts")
    elif new.ends_at - new.starts_at > LONGEST[new.kind]:
        faults.append(f"until: a limit of this kind holds at most {LONGEST[new.kind].days} days")
    if new.kind is LimitKind.EMERGENCY and new.starts_at > now:
        faults.append("from: an emergency holds from now on; for later propose an override")
    if new.limit_w < 0 or not new.limit_w <= HIGHEST_TIMES_RATING * rated_w:
        faults.append(f"limit: {new.limit_w / 1000:.1f} kW a phase; it is 0 to {2 * rated_w / 1000:.1f} kW")
    elif new.kind is LimitKind.EMERGENCY and new.limit_w >= rated_w:
        faults.append(f"limit: an emergency lowers; the rating is {rated_w / 1000:.1f} kW a phase")
    if faults:
        raise Unsuitable(faults)
    return str(network.elements[new.element_no].element_id)


async def _record(desk: LimitDesk, who: SignedIn, what: str, limit_no: int, element_id: str) -> None:
    change = await _known(desk, limit_no)
    detail = {
        "limit": limit_no, "limit_w": change.limit_w, "from": change.starts_at, "until": change.ends_at,
        "reason": change.reason,
    }  # fmt: skip
    await desk.people.record(who, NewAct(what=what, about=f"element/{element_id}", detail=detail), desk.wall())
