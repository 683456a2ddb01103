"""What the operations behind the console need of the outside world."""

from ampacity.console_ports.lines import (
    AuditFilter,
    ComplaintLine,
    CycleLine,
    HeldBy,
    KeptCapacity,
    KeptForecast,
    Newest,
    ProviderLine,
    RequestEvent,
    RequestLine,
    SentMessage,
    Status,
)
from ampacity.console_ports.stores import (
    Changes,
    Complaints,
    DeadLetters,
    IdentityProvider,
    LimitStore,
    PeopleStore,
    Views,
)

__all__ = [
    "AuditFilter",
    "Changes",
    "ComplaintLine",
    "Complaints",
    "CycleLine",
    "DeadLetters",
    "HeldBy",
    "IdentityProvider",
    "KeptCapacity",
    "KeptForecast",
    "LimitStore",
    "Newest",
    "PeopleStore",
    "ProviderLine",
    "RequestEvent",
    "RequestLine",
    "SentMessage",
    "Status",
    "Views",
]
