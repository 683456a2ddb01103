"""The way out: HTTP/1.1 for httpx on connections of asyncio.

Our own, because a peer's address is hostile input: each connection goes to an address
that `guard` has checked, answers are cut at a size, and one deadline covers everything
from the name to the last byte, so that a peer that drips bytes ties up nothing.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Collection

import httpx

from ampacity.oscp.exchange import Unreadable, head_of
from ampacity.oscp.guard import Resolve, Target, addresses_of, allowed_target, resolve_name
from ampacity.oscp.lines import Line

_IDLE_PER_TARGET = 16
_MOST_TARGETS = 4_096


class _Content(httpx.AsyncByteStream):
    """The body of an answer, read already; most answers have none and nobody looks."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


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
        self._idle: dict[Target, list[Line]] = defaultdict(list)

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
        question = head_of(request) + await request.aread()
        while True:
            line = self._idle_line(target) or await self._open(target)
            try:
                answer = await line.ask(question, self._limit)
            except ConnectionError:
                line.close()
                if line.used:  # the peer closed it while it was idle: not an answer
                    continue
                raise
            except BaseException:
                line.close()
                raise
            self._put_back(target, line, reusable=answer.keeps_alive)
            return httpx.Response(answer.status, headers=answer.headers, stream=_Content(bytes(answer.content)))

    async def _open(self, target: Target) -> Line:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_timeout_s):
            addresses = await addresses_of(target, self._trusted, self._resolve)
            failed: OSError = OSError(f"{target.host} has no address")
            tls = self._context() if target.scheme == "https" else None
            for address in addresses:
                try:
                    _, line = await loop.create_connection(
                        Line, address, target.port, ssl=tls, server_hostname=target.host if tls else None
                    )
                except OSError as unreachable:
                    failed = unreachable
                else:
                    return line
            raise failed

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    def _idle_line(self, target: Target) -> Line | None:
        idle = self._idle[target]
        while idle:
            line = idle.pop()
            if line.is_open:
                return line
            line.close()
        return None

    def _put_back(self, target: Target, line: Line, *, reusable: bool) -> None:
        idle = self._idle[target]
        if not reusable or len(idle) >= _IDLE_PER_TARGET:
            line.close()
            return
        line.used = True
        idle.append(line)

    async def aclose(self) -> None:
        for idle in self._idle.values():
            for line in idle:
                line.close()
        self._idle.clear()
