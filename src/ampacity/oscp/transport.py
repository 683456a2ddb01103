"""The way out: HTTP/1.1 for httpx on asyncio streams.

Our own, because a peer's address is hostile input: each connection goes to an address
that `guard` has checked, answers are cut at a size, and one deadline covers everything
from the name to the last byte, so that a peer that drips bytes ties up nothing.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import httpx

from ampacity.oscp.exchange import Answer, Unreadable, head_of
from ampacity.oscp.guard import Resolve, Target, addresses_of, allowed_target, resolve_name

_CHUNK_BYTES = 16_384
_IDLE_PER_TARGET = 16
_MOST_TARGETS = 4_096


@dataclass(slots=True)
class _Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False
    reusable: bool = False

    def close(self) -> None:
        self.writer.transport.abort()


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to allowed addresses only."""

    def __init__(
        self,
        trusted_hosts: Collection[str],
        *,
        connect_timeout_s: float = 10.0,
        send_timeout_s: float = 20.0,
        response_limit_bytes: int = 65_536,
        resolve: Resolve = resolve_name,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._trusted = frozenset(trusted_hosts)
        self._connect_timeout_s = connect_timeout_s
        self._send_timeout_s = send_timeout_s
        self._limit = response_limit_bytes
        self._resolve = resolve
        self._tls = tls
        self._targets: dict[httpx.URL, Target] = {}
        self._idle: dict[Target, list[_Line]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = self._target(request.url)
        try:
            async with asyncio.timeout(self._send_timeout_s):
                return await self._exchange(target, request)
        except TimeoutError as late:
            raise httpx.ReadTimeout(f"no whole answer within {self._send_timeout_s:g} s", request=request) from late
        except ssl.SSLError as failed:
            raise httpx.ConnectError(f"TLS: {failed.reason}", request=request) from failed
        except OSError as failed:
            raise httpx.ConnectError(str(failed) or type(failed).__name__, request=request) from failed
        except Unreadable as wrong:
            raise httpx.RemoteProtocolError(str(wrong), request=request) from wrong

    def _target(self, url: httpx.URL) -> Target:
        """The allowed target of a URL; what was allowed before is, since names are resolved at each connection."""
        known = self._targets.get(url)
        if known is None:
            known = allowed_target(str(url.copy_with(query=None, fragment=None)), self._trusted)
            if len(self._targets) >= _MOST_TARGETS:
                self._targets.clear()
            self._targets[url] = known
        return known

    async def _exchange(self, target: Target, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        while True:
            line = self._idle_line(target) or await self._open(target)
            try:
                response = await self._ask(line, request, body)
            except ConnectionError:
                line.close()
                if line.used:  # the peer closed it while it was idle: not an answer
                    continue
                raise
            except BaseException:
                line.close()
                raise
            self._put_back(target, line)
            return response

    async def _ask(self, line: _Line, request: httpx.Request, body: bytes) -> httpx.Response:
        line.reusable = False
        line.writer.write(head_of(request) + body)
        await line.writer.drain()
        answer = Answer(self._limit)
        while not answer.is_whole:
            answer.take(await line.reader.read(_CHUNK_BYTES))
        line.reusable = answer.keeps_alive
        return httpx.Response(answer.status, headers=answer.headers, content=bytes(answer.content))

    async def _open(self, target: Target) -> _Line:
        async with asyncio.timeout(self._connect_timeout_s):
            addresses = await addresses_of(target, self._trusted, self._resolve)
            failed: OSError = OSError(f"{target.host} has no address")
            tls = self._context() if target.scheme == "https" else None
            for address in addresses:
                try:
                    reader, writer = await asyncio.open_connection(
                        address, target.port, ssl=tls, server_hostname=target.host if tls else None, limit=self._limit
                    )
                    return _Line(reader, writer)
                except OSError as unreachable:
                    failed = unreachable
            raise failed

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    def _idle_line(self, target: Target) -> _Line | None:
        idle = self._idle[target]
        while idle:
            line = idle.pop()
            if not line.reader.at_eof() and not line.writer.is_closing():
                return line
            line.close()
        return None

    def _put_back(self, target: Target, line: _Line) -> None:
        idle = self._idle[target]
        if not line.reusable or len(idle) >= _IDLE_PER_TARGET:
            line.close()
            return
        line.used = True
        idle.append(line)

    async def aclose(self) -> None:
        for idle in self._idle.values():
            for line in idle:
                line.close()
        self._idle.clear()
