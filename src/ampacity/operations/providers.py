"""What people do about providers: invite one, end its session."""

from ampacity.console_ports import PeopleStore
from ampacity.operations.accounts import require
from ampacity.operations.desk import Desk
from ampacity.operations.register import invite, remove
from ampacity.people import NewAct, Permission, SignedIn
from ampacity.ports import Clock


async def invite_provider(who: SignedIn, provider_id: str, sessions: Desk, people: PeopleStore, wall: Clock) -> str:
    """A one-time token with which a provider registers; nobody can read it again.

    Raises:
        Refused: `who` may not.
        NotFound: there is no such provider.
    """
    require(who, Permission.ADMINISTER)
    token = await invite(sessions, provider_id)
    await people.record(who, NewAct(what="invited a provider", about=f"provider/{provider_id}"), wall())
    return token


async def remove_provider(
    who: SignedIn, provider_no: int, provider_id: str, sessions: Desk, people: PeopleStore, wall: Clock
) -> None:
    """End a provider's session: no token is good any more, and it is sent nothing.

    Raises:
        Refused: `who` may not.
    """
    require(who, Permission.ADMINISTER)
    await remove(sessions, provider_no)
    await people.record(who, NewAct(what="removed a provider", about=f"provider/{provider_id}"), wall())
