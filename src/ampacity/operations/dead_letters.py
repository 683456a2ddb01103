"""Send again what was given up."""

from ampacity.console_ports import DeadLetters, PeopleStore
from ampacity.operations.accounts import require
from ampacity.people import NewAct, Permission, SignedIn
from ampacity.ports import Clock


async def retry_dead_letters(
    who: SignedIn, provider_no: int, provider_id: str, *, letters: DeadLetters, people: PeopleStore, wall: Clock
) -> int:
    """Put a provider's dead letters of the last week back into the outbox; gives how many.

    Raises:
        Refused: `who` may not.
    """
    require(who, Permission.OPERATE)
    revived = await letters.revive(provider_no)
    act = NewAct(what="retried dead letters", about=f"provider/{provider_id}", detail={"messages": revived})
    await people.record(who, act, wall())
    return revived
