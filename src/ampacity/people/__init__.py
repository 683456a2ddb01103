"""The people at the console: roles, accounts, what they did, limits they set."""

from ampacity.people.limits import LimitChange, LimitKind, LimitState, NewLimit, effective_limit_w, limit_state
from ampacity.people.types import Account, Act, NewAct, Permission, Role, SignedIn

__all__ = [
    "Account",
    "Act",
    "LimitChange",
    "LimitKind",
    "LimitState",
    "NewAct",
    "NewLimit",
    "Permission",
    "Role",
    "SignedIn",
    "effective_limit_w",
    "limit_state",
]
