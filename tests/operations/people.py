"""People and desks for tests of what they do."""

from datetime import datetime

from ampacity.operations.accounts import Reception, add_account
from ampacity.operations.limits import LimitDesk
from ampacity.people import Role, SignedIn
from ampacity.store.limits import PostgresLimits
from ampacity.store.people import PostgresPeople
from ampacity.store.postgres import PostgresGrid
from ampacity.store.requests import PostgresRequests

PASSWORD = "correct horse battery"


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def reception(pool, wall) -> Reception:
    return Reception(people=PostgresPeople(pool), wall=wall)


async def person(pool, name: str, role: Role, wall) -> SignedIn:
    await add_account(reception(pool, wall), "test", name, role, password=PASSWORD)
    found = await PostgresPeople(pool).password_hash(name)
    return SignedIn(account_no=found[0].account_no, name=name, full_name="", role=role)


def limit_desk(pool, clock, wall) -> LimitDesk:
    return LimitDesk(
        limits=PostgresLimits(pool),
        people=PostgresPeople(pool),
        grid=PostgresGrid(pool),
        requests=PostgresRequests(pool),
        clock=clock,
        wall=wall,
        power_factor=0.95,
    )
