"""`ampacity simulate-provider`: a Flexibility Provider as a process of its own that speaks only OSCP."""

import asyncio
import os
import secrets
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import urlsplit

import msgspec
import typer

from ampacity.app.clock import make_clock
from ampacity.errors import Unsuitable
from ampacity.oscp.client import OscpClient
from ampacity.oscp.transport import GuardedTransport
from ampacity.peers.types import Behaviour, Outcome
from ampacity.simulation.driving import Driving, ScriptLine
from ampacity.simulation.listener import Manner, listening
from ampacity.simulation.provider import FP_PATH, Misbehaviour, SimulatedProvider

STDIN = Path("-")
_TRIES, _TRY_AGAIN_S = 30, 1.0


class ProviderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a simulated provider."""

    host: str = "127.0.0.1"
    port: int = 0
    public_url: str = ""  # under which it is reached; empty: http://HOST:PORT
    base_url: str = ""  # of the Capacity Provider to register with; empty: wait to be registered
    token: str = ""  # one-time token: of the Capacity Provider with a base_url, else the one to be registered with
    at: datetime | None = None
    speed: float = 1.0
    cars: int = 12
    seed: int = 1
    asks: bool = True
    heartbeat_interval_s: float = 10.0
    script: tuple[ScriptLine, ...] = ()
    follows_input: bool = False
    misbehaviour: Misbehaviour = Misbehaviour()


def simulate_provider(  # noqa: PLR0917  # typer makes options of them
    base_url: Annotated[str, typer.Option(help="Register with this Capacity Provider; else wait for it.")] = "",
    token: Annotated[str, typer.Option(help="The one-time token.")] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any.")] = 0,
    public_url: Annotated[str, typer.Option(help="Under which it is reached, without a path.")] = "",
    at: Annotated[str, typer.Option(help="Time of the data, ISO 8601; default now.")] = "",
    speed: Annotated[float, typer.Option(min=0.001, help="How many times as fast as the wall clock.")] = 1.0,
    cars: Annotated[int, typer.Option(min=0, help="Cars in each group.")] = 12,
    seed: Annotated[int, typer.Option(help="Another seed, other cars.")] = 1,
    asks: Annotated[bool, typer.Option("--asks/--no-asks", help="Ask for more, and give back.")] = True,
    heartbeat: Annotated[float, typer.Option(min=1, help="Seconds between the heartbeats it wants.")] = 10.0,
    script: Annotated[
        Path | None,
        typer.Option(help="Requests to send, a JSON object per line; -: from standard input, as they come."),
    ] = None,
    token_from_stdin: Annotated[
        bool, typer.Option("--token-from-stdin", help="Take the token from the first line of standard input.")
    ] = False,
    misbehave: Annotated[
        list[str] | None,
        typer.Option(help=f"delay=S, status=N, manner={'|'.join(get_args(Manner)[1:])}, naive, wrong-token, mute."),
    ] = None,
) -> None:
    """Run a Flexibility Provider whose cars charge inside the capacity it is told; tells what happens as JSON lines."""
    options = ProviderOptions(
        host=host, port=port, public_url=public_url, base_url=base_url,
        token=_first_line() if token_from_stdin else token, follows_input=script == STDIN,
        at=datetime.fromisoformat(at) if at else None, speed=speed, cars=cars, seed=seed, asks=asks,
        heartbeat_interval_s=heartbeat, script=read_script(script), misbehaviour=misbehaviour_of(misbehave or []),
    )  # fmt: skip
    raise SystemExit(asyncio.run(run_provider(options)))


def tell_line(event: str, facts: dict[str, object]) -> None:
    """A JSON line on standard output for each thing that happens."""
    sys.stdout.buffer.write(msgspec.json.encode({"event": event, **facts}) + b"\n")
    sys.stdout.buffer.flush()


async def run_provider(options: ProviderOptions) -> int:
    """Run until interrupted; gives the exit status: 1 where the Capacity Provider refuses the registration."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hosts = {"127.0.0.1", "localhost", urlsplit(options.base_url).hostname or "localhost"}
    client = OscpClient(GuardedTransport(hosts), base_url="")
    token = options.token or secrets.token_urlsafe(32)
    provider = SimulatedProvider(
        client=client, tell=tell_line, own_url="", misbehaviour=options.misbehaviour,
        demands=Behaviour(heartbeat_interval_s=options.heartbeat_interval_s, measurements=("CONTINUOUS",)),
    )  # fmt: skip
    if options.base_url:
        provider.cp_url, provider.token_out = options.base_url.rstrip("/"), token
    else:
        provider.tokens_in.add(token)
    clock = make_clock(options.at, options.speed)
    driving = Driving(provider=provider, clock=clock, cars_per_group=options.cars, seed=options.seed, asks=options.asks)
    async with listening(options.host, options.port, provider.respond) as port:
        provider.own_url = (options.public_url or f"http://{options.host}:{port}").rstrip("/") + FP_PATH
        tell_line("listening", {"base_url": provider.own_url, "token": "" if options.base_url else token})
        if options.base_url and not await _registered(provider, stop):
            return 1
        followed = _follow_input(driving, stop) if options.follows_input else driving.follow(options.script)
        work = [asyncio.create_task(w) for w in (provider.beat(), driving.run(), followed)]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *work[:2]], return_when=asyncio.FIRST_COMPLETED)
        for task in [stopped, *work]:
            task.cancel()
        failures = [r for r in await asyncio.gather(*work, return_exceptions=True) if isinstance(r, Exception)]
        await client.close()
        if failures and not stop.is_set():
            raise failures[0]
    return 0


def _first_line() -> str:
    """The first line of standard input, and not a byte more: what follows is read later."""
    line = bytearray()
    while (byte := os.read(sys.stdin.fileno(), 1)) not in {b"", b"\n"}:
        line += byte
    return line.decode("ascii").strip()


async def _follow_input(driving: Driving, stop: asyncio.Event) -> None:
    """Send each request that comes on standard input; end with the input, so as not to outlive who gave it."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        await driving.send_line(msgspec.json.decode(line, type=ScriptLine))
    stop.set()


async def _registered(provider: SimulatedProvider, stop: asyncio.Event) -> bool:
    for _ in range(_TRIES):
        delivery = await provider.register()
        if delivery.outcome is Outcome.DELIVERED or stop.is_set():
            return True
        if delivery.outcome is Outcome.REFUSED:
            break
        await asyncio.sleep(_TRY_AGAIN_S)
    sys.stderr.write(f"the Capacity Provider did not take the registration: {delivery.detail}\n")
    return False


def read_script(file: Path | None) -> tuple[ScriptLine, ...]:
    """The requests of a script.

    Raises:
        Unsuitable: a line is wrong.
    """
    if file is None or file == STDIN:
        return ()
    try:
        return tuple(msgspec.json.decode(file.read_bytes(), type=list[ScriptLine])) if _is_list(file) else _lines(file)
    except (msgspec.DecodeError, OSError) as wrong:
        raise Unsuitable(f"{file}: {wrong}") from wrong


def _is_list(file: Path) -> bool:
    return file.read_bytes().lstrip().startswith(b"[")


def _lines(file: Path) -> tuple[ScriptLine, ...]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(msgspec.json.decode(line, type=ScriptLine) for line in lines if line.strip())


def misbehaviour_of(words: list[str]) -> Misbehaviour:
    """Misbehaviour from words such as `delay=3` and `mute`.

    >>> misbehaviour_of(["status=500", "mute"]).status
    500

    Raises:
        Unsuitable: an unknown word or value.
    """
    names = {"delay": "delay_s", "naive": "naive_times", "wrong-token": "wrong_token"}
    traits: dict[str, object] = {}
    for word in words:
        name, _, value = word.partition("=")
        traits[names.get(name, name)] = value or True
    try:
        known = set(Misbehaviour.__dataclass_fields__)
        if unknown := sorted(set(traits) - known):
            raise Unsuitable(f"--misbehave: {', '.join(unknown)} is unknown")
        return msgspec.convert(traits, Misbehaviour, strict=False)
    except msgspec.ValidationError as wrong:
        raise Unsuitable(f"--misbehave: {wrong}") from wrong
