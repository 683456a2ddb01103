"""What the pages work with."""

import asyncio
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from ampacity.console.settings import ConsoleSettings
from ampacity.console_ports import Changes, Complaints, DeadLetters, IdentityProvider, LimitStore, PeopleStore, Views
from ampacity.operations.accounts import Reception
from ampacity.operations.consent import ConsentDesk
from ampacity.operations.desk import Desk
from ampacity.operations.limits import LimitDesk
from ampacity.operations.lookout import Lookout
from ampacity.ports import Clock, ConnectedPeers, DecisionRecords, FetchLog, ForecastQuality, GridStore, RequestStore


@dataclass(frozen=True, kw_only=True)
class ConsolePorts:
    """What the console needs of the outside world."""

    views: Views
    people: PeopleStore
    limits: LimitStore
    grid: GridStore
    requests: RequestStore
    records: DecisionRecords
    peers: ConnectedPeers
    scores: ForecastQuality
    dead_letters: DeadLetters
    complaints: Complaints
    weather_fetches: FetchLog
    changes: Changes
    identity: IdentityProvider | None = None
    sessions: Desk | None = None  # to invite and remove providers


@dataclass(frozen=True, kw_only=True)
class Console:
    """The console of one server; `clock` is the data's, `wall` the wall's."""

    settings: ConsoleSettings
    ports: ConsolePorts
    clock: Clock
    wall: Clock
    zone: ZoneInfo
    base_url: str
    reception: Reception
    limit_desk: LimitDesk
    consent_desk: ConsentDesk
    lookout: Lookout
    demo_accounts: tuple[str, ...]  # people whom anybody may be, in the demonstration only
    one_replay: asyncio.Lock = field(default_factory=asyncio.Lock)  # so that lookers cannot keep the server busy

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; the prefix lets browsers refuse one set from elsewhere."""
        return "__Host-ampacity" if self.settings.secure_cookies else "ampacity"
