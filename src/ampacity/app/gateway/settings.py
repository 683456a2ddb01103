"""Section `gateway` of the settings."""

import msgspec


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Measurements pushed over HTTP, or put into a folder."""

    token: str = ""
    """What a gateway shows as `Authorization: Bearer …`, at least 32 characters; empty: nothing is taken."""

    drop_folder: str = ""
    """A folder into which files like `measurements.csv` are put, taken in as they come; empty: there is none."""

    def __post_init__(self) -> None:
        if self.token and len(self.token) < 32:
            raise ValueError("token is shorter than 32 characters")
