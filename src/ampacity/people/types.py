"""Who may look and act, as records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a person is there for; each may do what the ones before it may."""

    VIEWER = "viewer"
    PLANNER = "planner"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """What can be allowed."""

    LOOK = "look"
    PROPOSE = "propose a limit"
    OPERATE = "set limits, confirm them and retry messages"
    ADMINISTER = "keep accounts, invite and remove providers"


_LEAST = {
    Permission.LOOK: Role.VIEWER,
    Permission.PROPOSE: Role.PLANNER,
    Permission.OPERATE: Role.OPERATOR,
    Permission.ADMINISTER: Role.ADMIN,
}
_ORDER = tuple(Role)


def may(role: Role, permission: Permission) -> bool:
    """Whether a role has a permission.

    >>> may(Role.PLANNER, Permission.PROPOSE), may(Role.PLANNER, Permission.OPERATE)
    (True, False)
    """
    return _ORDER.index(role) >= _ORDER.index(_LEAST[permission])


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person; without a password it signs in by OpenID Connect only."""

    account_no: int
    name: str
    full_name: str
    role: Role
    has_password: bool
    oidc_subject: str | None
    created_at: datetime
    closed_at: datetime | None

    @property
    def shown_name(self) -> str:
        return self.full_name or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who is at the other end of a session."""

    account_no: int
    name: str
    full_name: str
    role: Role

    @property
    def shown_name(self) -> str:
        return self.full_name or self.name

    def may(self, permission: Permission) -> bool:
        return may(self.role, permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAct:
    """What a person did, to be kept for ever; `about` as in element/ID."""

    what: str
    about: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A line of the audit log: what a person did, or what was decided."""

    at: datetime
    who: str
    what: str
    about: str
    detail: Mapping[str, object]
    number: int
    is_decision: bool
