"""Take note of what a provider says it cannot keep."""

from ampacity.console_ports import Complaints, PeopleStore
from ampacity.errors import NotFound
from ampacity.operations.accounts import require
from ampacity.people import NewAct, Permission, SignedIn
from ampacity.ports import Clock


async def acknowledge_complaint(
    who: SignedIn, error_no: int, note: str, *, complaints: Complaints, people: PeopleStore, wall: Clock
) -> None:
    """Take it off the list of what needs a hand, with a note of what was done about it.

    Raises:
        Refused: `who` may not.
        NotFound: there is no such complaint.
        Conflict: it was acknowledged already.
    """
    require(who, Permission.OPERATE)
    found = await complaints.complaint(error_no)
    if found is None:
        raise NotFound(f"there is no complaint {error_no}")
    await complaints.acknowledge(error_no, who.account_no, note.strip(), wall())
    about = f"group/{found.group_id}" if found.group_id else f"provider/{found.provider_id}"
    detail = {"complaint": error_no, "message": found.message, "note": note.strip()}
    await people.record(who, NewAct(what="acknowledged a complaint", about=about, detail=detail), wall())
