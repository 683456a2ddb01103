"""A peer's address is what a stranger makes us call."""

import asyncio
import socket

import httpx
import pytest

from ampacity.errors import Refused
from ampacity.oscp.client import OscpClient
from ampacity.oscp.guard import addresses_of, allowed_target, is_forbidden
from ampacity.oscp.transport import GuardedTransport
from ampacity.peers.types import Address, Outcome
from ampacity.simulation.listener import Answer, listening

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255",
    "224.0.0.1", "::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "localhost",
    "a.localhost", "2130706433", "127.1", "0x7f.0.0.1", "0x7f000001", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_no_address_of_our_own_network_is_called(host):
    written = f"[{host}]" if ":" in host else host

    assert is_forbidden(host)
    with pytest.raises(Refused):
        allowed_target(f"https://{written}/oscp/fp/2.0", ())


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1::1", "peer.example", "1.peer.example"])
def test_public_addresses_and_names_are_not_judged_by_their_form(host):
    assert not is_forbidden(host)


@pytest.mark.parametrize(
    "url",
    [
        "http://peer.example/oscp", "ftp://peer.example/", "//peer.example/x", "/oscp/fp/2.0", "https://", "https:///x",
        "https://user:word@peer.example/", "https://peer.example/?a=1", "https://peer.example/#a", "file:///etc/passwd",
        "https://peer.example:99999/", "https://peer.example/a b", "https://peer.example/\r\nX: y", "gopher://x/", "",
    ],
)  # fmt: skip
def test_only_plain_https_addresses_are_taken(url):
    with pytest.raises(Refused):
        allowed_target(url, ())


def test_a_trusted_host_may_be_called_over_http_and_at_home():
    assert allowed_target("http://127.0.0.1:8080/x", {"127.0.0.1"}).port == 8080
    assert allowed_target("https://box.local/x", {"box.local"}).port == 443


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    async def resolve(host, port):
        return ["93.184.216.34", "127.0.0.1"]

    with pytest.raises(Refused, match=r"127\.0\.0\.1"):
        await addresses_of(allowed_target("https://peer.example/", ()), (), resolve)


def to(url: str) -> Address:
    return Address(provider_id="p", base_url=url, token="t")


async def sent(transport: httpx.AsyncBaseTransport, url: str):
    client = OscpClient(transport, base_url="http://us")
    try:
        return await client.register(to(url), "token", answers=None)
    finally:
        await client.close()


async def test_a_name_that_turns_to_our_network_at_connection_is_not_called():
    """The second look-up of a rebinding name: each connection goes to an address that was checked."""
    called = []

    async def respond(heard):
        called.append(heard.path)
        return Answer()

    async with listening("127.0.0.1", 0, respond) as port:

        async def resolve(host, _):
            return ["127.0.0.1"]

        delivery = await sent(GuardedTransport((), resolve=resolve), f"https://peer.example:{port}/fp")

    assert delivery.outcome is Outcome.REFUSED
    assert "127.0.0.1" in delivery.detail
    assert called == []


async def test_the_connection_goes_to_the_address_that_was_checked_not_to_the_name_again():
    answers = [["127.0.0.1"], ["192.0.2.1"]]

    async def resolve(host, port):
        return answers.pop(0)

    async def respond(heard):
        return Answer()

    async with listening("127.0.0.1", 0, respond) as port:
        delivery = await sent(GuardedTransport({"peer.example"}, resolve=resolve), f"http://peer.example:{port}/fp")

    assert delivery.outcome is Outcome.DELIVERED
    assert len(answers) == 1


async def test_a_name_that_moves_is_followed_and_one_that_is_lost_for_a_while_is_tried_again():
    """Each new connection asks the name again: a peer may move, and its name servers may fail."""
    known = {"peer.example": ["127.0.0.1"]}
    heard_at = []

    async def resolve(host, _):
        if not known[host]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return known[host]

    def answering(name):
        async def respond(heard):
            heard_at.append(name)
            return Answer()

        return respond

    client = OscpClient(GuardedTransport({"peer.example"}, resolve=resolve), base_url="http://us")
    outcomes = []
    async with listening("127.0.0.1", 0, answering("old")) as port:
        address = to(f"http://peer.example:{port}/fp")
        outcomes.append((await client.register(address, "t", answers=None)).outcome)
    known["peer.example"] = []
    outcomes.append((await client.register(address, "t", answers=None)).outcome)
    known["peer.example"] = ["127.0.0.2"]
    async with listening("127.0.0.2", port, answering("new")):
        outcomes.append((await client.register(address, "t", answers=None)).outcome)
        known["peer.example"] = ["127.0.0.3", "127.0.0.2"]  # nobody is at the first of them
        await client.close()
        outcomes.append((await client.register(address, "t", answers=None)).outcome)
    await client.close()

    assert outcomes == [Outcome.DELIVERED, Outcome.FAILED, Outcome.DELIVERED, Outcome.DELIVERED]
    assert heard_at == ["old", "new", "new"]


async def test_a_trusted_name_is_good_at_home_and_the_next_one_that_points_there_is_not():
    async def resolve(host, _):
        return ["127.0.0.1"]

    async def respond(heard):
        return Answer()

    async with listening("127.0.0.1", 0, respond) as port:
        transport = GuardedTransport({"peer.example"}, resolve=resolve)
        assert (await sent(transport, f"http://peer.example:{port}/fp")).outcome is Outcome.DELIVERED
        other = await sent(transport, f"https://other.example:{port}/fp")

    assert other.outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        (Answer(), Outcome.DELIVERED, "204"),
        (Answer(status=200, body=b"{}"), Outcome.DELIVERED, "200"),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), Outcome.FAILED, "redirects are not followed"),
        (Answer(status=400, body=b'{"message":"no"}'), Outcome.REFUSED, '400 {"message":"no"}'),
        (Answer(status=408), Outcome.FAILED, "408"),
        (Answer(status=425), Outcome.FAILED, "425"),
        (Answer(status=429), Outcome.FAILED, "429"),
        (Answer(status=500, body=b"oh"), Outcome.FAILED, "500 oh"),
        (Answer(manner="silent"), Outcome.FAILED, "ReadTimeout"),
        (Answer(manner="drop"), Outcome.FAILED, ""),
        (Answer(manner="reset"), Outcome.FAILED, ""),
        (Answer(status=200, body=b"{}" * 50, manner="reset-body"), Outcome.FAILED, ""),
        (Answer(status=200, manner="drip"), Outcome.FAILED, "ReadTimeout"),
        (Answer(status=200, body=b"{}" * 50, manner="drip-body"), Outcome.FAILED, "ReadTimeout"),
        (Answer(status=200, manner="flood"), Outcome.REFUSED, "longer than"),
        (Answer(delay_s=5.0), Outcome.FAILED, "ReadTimeout"),
    ],
    ids=lambda a: f"{a.status}-{a.manner}" if isinstance(a, Answer) else None,
)
async def test_whatever_a_peer_answers_ends_in_time(answer, outcome, detail):
    async def respond(heard):
        return answer

    async with listening("127.0.0.1", 0, respond) as port:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        delivery = await sent(GuardedTransport({"127.0.0.1"}, send_timeout_s=1.0), f"http://127.0.0.1:{port}/fp")

    assert delivery.outcome is outcome
    assert detail in delivery.detail
    assert loop.time() - begun < 2.0


async def test_a_port_where_nobody_listens_is_a_failure_to_try_again():
    delivery = await sent(GuardedTransport({"127.0.0.1"}), "http://127.0.0.1:1/fp")

    assert delivery.outcome is Outcome.FAILED
    assert not delivery.reached


async def test_a_connection_that_the_peer_closed_meanwhile_is_opened_anew():
    async def respond(heard):
        return Answer()

    transport = GuardedTransport({"127.0.0.1"})
    client = OscpClient(transport, base_url="http://us")
    async with listening("127.0.0.1", 0, respond) as port:
        address = to(f"http://127.0.0.1:{port}/fp")
        assert (await client.register(address, "t", answers=None)).outcome is Outcome.DELIVERED
    async with listening("127.0.0.1", port, respond):
        assert (await client.register(address, "t", answers=None)).outcome is Outcome.DELIVERED
    await client.close()


def test_a_token_shows_in_no_representation():
    assert "secret" not in repr(Address(provider_id="p", base_url="u", token="secret"))


async def test_what_nobody_asked_for_is_not_taken_as_the_next_answer():
    async def serve(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 500 Unasked\r\ncontent-length: 0\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = OscpClient(GuardedTransport({"127.0.0.1"}), base_url="http://us")
    address = to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fp")
    for _ in range(3):
        assert (await client.register(address, "t", answers=None)).outcome is Outcome.DELIVERED
        await asyncio.sleep(0.15)
    await client.close()
    server.close()


async def test_a_header_that_would_end_the_head_is_not_sent():
    client = OscpClient(GuardedTransport({"127.0.0.1"}), base_url="http://us")
    address = Address(
        provider_id="p", base_url="http://127.0.0.1:1/fp", token="t", profile={"headers": {"X-A": "1\r\nX-B: 2"}}
    )

    delivery = await client.register(address, "t", answers=None)

    assert delivery.outcome is Outcome.REFUSED
    assert "X-A" in delivery.detail
