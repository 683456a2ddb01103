"""The client as the settings want it."""

import httpx

from ampacity.oscp.client import OscpClient
from ampacity.oscp.sandbox import Journal, ListeningTransport
from ampacity.oscp.settings import OscpSettings
from ampacity.oscp.transport import GuardedTransport
from ampacity.ports import Clock


def client_of(settings: OscpSettings, base_url: str, *, wall: Clock, journal: Journal | None = None) -> OscpClient:
    """A client that calls allowed addresses only; in a sandbox each message is noted."""
    transport: httpx.AsyncBaseTransport = GuardedTransport(
        settings.trusted_hosts,
        connect_timeout_s=settings.connect_timeout_s,
        send_timeout_s=settings.send_timeout_s,
        response_limit_bytes=settings.response_limit_bytes,
    )
    if journal is not None:
        transport = ListeningTransport(transport, journal, wall)
    return OscpClient(transport, base_url=base_url)
