"""One connection, kept from message to message: its bytes go straight to the reader of the answer."""

import asyncio

from ampacity.oscp.exchange import Answer


class Line(asyncio.Protocol):
    """Asks one question at a time."""

    def __init__(self) -> None:
        self.used = False
        self._transport: asyncio.WriteTransport | None = None
        self._answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._lost = False

    @property
    def is_open(self) -> bool:
        return not self._lost and self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, question: bytes, limit_bytes: int) -> Answer:
        """Send a whole request and wait for the whole answer.

        Raises:
            ConnectionError: closed before the answer was whole.
            Unreadable: not HTTP.
            Refused: too long.
        """
        if self._transport is None or self._lost:
            raise ConnectionResetError("closed before anything was asked")
        self._answer = answer = Answer(limit_bytes)
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(question)
        try:
            await self._done
        finally:
            self._answer = self._done = None
        return answer

    # --- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked: whatever this is, it is not the next answer
            self.close()
            return
        self._take(data)

    def eof_received(self) -> bool:
        self._lost = True
        self._take(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._end(exc or ConnectionResetError("closed without a whole answer"))

    def _take(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or self._done is None or self._done.done():
            return
        try:
            answer.take(data)
        except Exception as wrong:  # noqa: BLE001  # whatever is wrong with it is told to who asked
            self._end(wrong)
            return
        if answer.is_whole:
            self._end(None)

    def _end(self, wrong: Exception | None) -> None:
        if self._done is None or self._done.done():
            return
        if wrong is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(wrong)
