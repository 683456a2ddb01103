"""A request as bytes and an answer from bytes, HTTP/1.1; whatever a peer writes is read with limits."""

import httptools
import httpx

from ampacity.errors import Refused

_NO_BODY_BELOW = 200
_MOST_HEADERS, _LONGEST_HEADERS = 100, 65_536


class Unreadable(Exception):
    """What came is not HTTP/1.1."""


def head_of(request: httpx.Request) -> bytes:
    """Request line and headers.

    Raises:
        Refused: a header holds what would end it.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    ends = len(lines) + 1
    if b"\0" in head or head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise Refused(f"header {_breaking(request)!r} cannot be sent: it holds a line break or the like")
    return head


def _breaking(request: httpx.Request) -> bytes:
    return next((n for n, v in request.headers.raw if any(c in n + v for c in (b"\n", b"\r", b"\0"))), b"")


class Answer:
    """Takes the bytes of an answer, up to a size."""

    def __init__(self, limit_bytes: int) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.content = bytearray()
        self.is_whole = False
        self.keeps_alive = False
        self._limit = limit_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._sized = False  # the answer says where it ends
        self._read_head = False
        self._header_bytes = 0

    def take(self, data: bytes) -> None:
        """The next bytes; none when the peer closed the connection.

        Raises:
            ConnectionResetError: closed before the answer was whole.
            Unreadable: not HTTP.
            Refused: too long.
        """
        if not data:
            if not self._read_head or self._sized:
                raise ConnectionResetError("closed without a whole answer")
            self.is_whole = True
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as wrong:
            raise Unreadable("the peer changed the protocol") from wrong
        except httptools.HttpParserError as wrong:
            if isinstance(wrong.__context__, Refused):
                raise wrong.__context__ from None
            raise Unreadable(str(wrong) or type(wrong).__name__) from wrong

    # --- called by the parser

    def on_message_begin(self) -> None:
        if self.is_whole:  # bytes that nobody asked for
            self.keeps_alive = False
        else:
            self.headers, self._sized, self._read_head = [], False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_whole:
            return
        self._header_bytes += len(name) + len(value)
        if len(self.headers) >= _MOST_HEADERS or self._header_bytes > _LONGEST_HEADERS:
            raise Refused("the answer has more or longer headers than are read")
        self.headers.append((name, value))
        self._sized = self._sized or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        if not self.is_whole:
            self.status = self._parser.get_status_code()
            self._read_head = self.status >= _NO_BODY_BELOW

    def on_body(self, body: bytes) -> None:
        if self.is_whole:
            return
        self.content += body
        if len(self.content) > self._limit:
            raise Refused(f"the answer is longer than {self._limit} bytes")

    def on_message_complete(self) -> None:
        if self._read_head and not self.is_whole:
            self.is_whole = True
            self.keeps_alive = self._parser.should_keep_alive()
