"""The settings of the protocol: section `oscp` of the file, `AMPACITY_OSCP_*` in the environment."""

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]


class OscpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How we talk to peers."""

    trusted_hosts: tuple[str, ...] = ()
    """Hosts that may be called over http or at a private address."""
    secret_key: str = ""
    """Encrypts the tokens of peers where they are kept; at least 32 characters, the same for every server."""
    heartbeat_interval_s: Annotated[float, Meta(ge=1)] = 60.0
    """How often peers shall tell that they are there, unless their profile says otherwise."""
    measurement_configuration: tuple[str, ...] = ("CONTINUOUS", "INTERMITTENT")
    """How peers may count energy: CONTINUOUS, INTERMITTENT."""
    connect_timeout_s: Seconds = 10.0
    """How long a connection to a peer may take."""
    send_timeout_s: Seconds = 20.0
    """How long a message to a peer may take, from the name to the last byte of the answer."""
    lease_s: Seconds = 60.0
    """How long a server keeps what it took on, should it die meanwhile; at least 1.5 times `send_timeout_s`."""
    acknowledge_timeout_s: Seconds = 30.0
    """When a handshake that is not acknowledged is sent again."""
    sends_per_peer: Count = 8
    """Messages under way to one peer at a time."""
    most_attempts: Count = 12
    """After so many failures a message is a dead letter."""
    response_limit_bytes: Count = 65_536
    """The longest answer of a peer that is read."""
    body_limit_bytes: Count = 1_048_576
    """The longest message of a peer that is taken."""
    body_timeout_s: Seconds = 30.0
    """How long a message of a peer may take to come in, unless its profile says otherwise."""
    blocks_limit: Count = 2_000
    """The most blocks in a request."""
    requests_per_second: Annotated[float, Meta(gt=0)] = 200.0
    """How fast a peer may send, on each server."""
    request_burst: Count = 1_000
    """How many messages a peer may send at once, on each server."""
    readings_batch: Count = 500
    """The most reports of measurements in one commit."""

    def __post_init__(self) -> None:
        if self.lease_s < 1.5 * self.send_timeout_s:
            raise ValueError(f"lease_s is {self.lease_s:g}, must be at least 1.5 times send_timeout_s")
