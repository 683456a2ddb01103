"""How the console is shown and who may enter; the section `console` of the settings."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec

from ampacity.people import Role


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operators' console."""

    zone: str = "Europe/Amsterdam"
    """Time zone in which people read times."""
    title: str = "Ampacity"
    """Name of the grid or company, shown on every page."""
    rows_per_page: int = 50
    """Elements on a page of a list."""
    secure_cookies: bool = True
    """Session cookies travel over https only; false for a first look without it, on one's own machine."""
    idle_h: float = 8.0
    """After so long without a request a session ends [h]."""
    session_h: float = 24.0
    """The longest a session lasts [h]."""
    local_accounts: bool = True
    """Whether people can sign in with a password kept here."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For is believed, for counting failed attempts."""
    oidc_issuer: str = ""
    """An OpenID Connect provider, `https://…`; empty: none."""
    oidc_client_id: str = ""
    """The name under which the provider knows this console."""
    oidc_client_secret: str = ""
    """The secret that goes with it."""
    oidc_role_claim: str = "groups"
    """The claim that tells roles: its values are looked up in `oidc_roles`."""
    oidc_roles: tuple[str, ...] = ()
    """Which value of that claim means which role, each as `VALUE=ROLE`; the highest counts."""

    def __post_init__(self) -> None:
        ZoneInfo(self.zone)
        if not 1 <= self.rows_per_page <= 500:
            raise ValueError(f"rows_per_page is {self.rows_per_page}, must be 1 to 500")
        if not 0 < self.idle_h <= self.session_h <= 168:
            raise ValueError(f"idle_h is {self.idle_h} and session_h {self.session_h}: 0 < idle_h <= session_h <= 168")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("oidc_client_id is missing beside oidc_issuer")
        for pair in self.oidc_roles:
            value, _, role = pair.rpartition("=")
            if not value or role not in set(Role):
                raise ValueError(f"oidc_roles: {pair} is not VALUE=ROLE with a role of {', '.join(Role)}")

    def role_of(self, claimed: Sequence[str]) -> Role | None:
        """The highest role that claimed values stand for."""
        meant = dict(pair.rpartition("=")[::2] for pair in self.oidc_roles)
        roles = [Role(meant[c]) for c in claimed if c in meant]
        return max(roles, key=list(Role).index, default=None)
