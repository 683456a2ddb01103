"""`ampacity bench send`: messages a second to a sink in another process, ours beside plain httpx in the same run."""

import asyncio
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ampacity.app.bench_sink import sink
from ampacity.errors import NotReady
from ampacity.network import ForecastKind, PowerUnit
from ampacity.oscp.client import OscpClient
from ampacity.oscp.transport import GuardedTransport
from ampacity.peers.types import Address, Connection, Figures, OutboundForecast, Outcome

QUARTERS = 120
CONNECTIONS = 8  # as many as a server uses for one peer


class SendFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of 30 h in kilowatts a second; `cpu_us` of this process for each."""

    scheme: str
    messages: int
    ours_per_s: float
    ours_cpu_us: float
    httpx_per_s: float
    httpx_cpu_us: float
    ratio: float


async def bench_send(scheme: str, messages: int) -> SendFigures:
    """Send as many through our client, encoding included, and a part of them through plain httpx, encoded before."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder)) if scheme == "https" else None
        with sink(certificate) as peer:
            tls = None if certificate is None else ssl.create_default_context(cafile=str(certificate))
            url = f"{scheme}://127.0.0.1:{peer.port}"
            ours = await _ours(url, tls, messages)
            plain_messages = max(messages // 5, 1)
            plain = await _plain(url, tls, plain_messages)
            if peer.count() != messages + plain_messages:
                raise NotReady(f"{peer.count()} messages arrived of {messages + plain_messages}")
    return SendFigures(
        scheme=scheme,
        messages=messages,
        ours_per_s=round(messages / ours[0], 1),
        ours_cpu_us=round(ours[1] / messages * 1e6, 1),
        httpx_per_s=round(plain_messages / plain[0], 1),
        httpx_cpu_us=round(plain[1] / plain_messages * 1e6, 1),
        ratio=round(messages / ours[0] / (plain_messages / plain[0]), 2),
    )


async def _ours(url: str, tls: ssl.SSLContext | None, messages: int) -> tuple[float, float]:
    client = OscpClient(GuardedTransport({"127.0.0.1"}, tls=tls), base_url="http://127.0.0.1:1")
    to = Address(provider_id="p", base_url=url, token="bench", profile={})  # noqa: S106  # of no peer

    async def send(k: int) -> None:
        delivery = await client.forecast(to, _forecast(k))
        if delivery.outcome is not Outcome.DELIVERED:
            raise NotReady(f"the sink did not take a message: {delivery.detail}")

    taken = await _timed(send, messages)
    await client.close()
    return taken


async def _plain(url: str, tls: ssl.SSLContext | None, messages: int) -> tuple[float, float]:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    headers = {"Authorization": "Token bench", "Content-Type": "application/json"}
    async with httpx.AsyncClient(verify=tls or True, limits=limits, headers=headers, trust_env=False) as client:
        body = b" " * 11_000

        async def send(_: int) -> None:
            answer = await client.post(url, content=body, headers={"X-Request-ID": str(uuid4())})
            answer.raise_for_status()

        return await _timed(send, messages)


async def _timed(send: Callable[[int], Awaitable[None]], messages: int) -> tuple[float, float]:
    """Wall and processor seconds of sending over a few connections."""
    await send(0) if messages > 1 else None
    todo = iter(range(1, messages))

    async def work() -> None:
        for k in todo:
            await send(k)

    begun, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return time.perf_counter() - begun, time.process_time() - used


def _forecast(k: int) -> OutboundForecast:
    capacity_w = (np.arange(QUARTERS, dtype=np.float32) * 37 + k) % 50_000
    group = Connection(
        group_no=k, group_id=f"group-{k}", provider_no=0, unit=PowerUnit.KW, phases=(1, 2, 3),
        phase_voltage_v=230.0, contracted_w=50e3,
    )  # fmt: skip
    return OutboundForecast(
        message_id=k, group=group, kind=ForecastKind.CONSUMPTION, request_id=str(uuid4()), correlation_id=None,
        attempts=1, figures=Figures(first_quarter=1_973_000, step_quarters=1, capacity_w=capacity_w), refusal=None,
    )  # fmt: skip


def _certificate(folder: Path) -> Path:
    """A fresh certificate for 127.0.0.1 with its key, as a PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "sink.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
