"""The server below the application: connections that are too many, too slow, or not heard out; and a stop that loses no answer.

uvicorn bounds none of these: a client that drips its headers, or that never reads its answer, would hold a connection for good.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pqrst.console import log
from pqrst.serve.limits import Limits, RefusalError

LAST_CALL = 0.5  # seconds between the word to stop and the last connection: what was sent before it is read by then
GRACE = 5.0  # seconds beyond the longest request, for answers on their way
PHRASES = {400: "Bad Request", 408: "Request Timeout", 429: "Too Many Requests"}


class Connection(H11Protocol):
    """One connection, with a clock for what its client owes."""

    limits = Limits()  # of the server; `connection` gives each its own

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._owed: asyncio.TimerHandle | None = None  # the headers, or the rest of a body whose answer is given
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(429, "too many connections; try again in a moment")
        else:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._owed, self._unread):
            if timer is not None:
                timer.cancel()
        self._owed = self._unread = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        answered = self.cycle is not None and self.cycle.response_complete
        rest = answered and self.conn.their_state is h11.SEND_BODY
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._settle()
        elif self._owed is None and not rest and not self.transport.is_closing():
            self._expect_headers()

    def on_response_complete(self) -> None:
        """Hear the rest of a body whose answer came early for a while: who is cut off while he sends does not read it."""
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._settle()
            self._owed = self.loop.call_later(self.limits.patience, self.transport.close)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()
            self._unread = None

    def _settle(self) -> None:
        if self._owed is not None:
            self._owed.cancel()
            self._owed = None

    def _expect_headers(self) -> None:
        reason = f"no whole headers came within {self.limits.patience:g} s"
        self._owed = self.loop.call_later(self.limits.patience, self._refuse, 408, reason)

    def _watch(self, before: int) -> None:
        """Look now and then whether an answer is being read, and hang up where it is not."""

        def look() -> None:
            left = self.transport.get_write_buffer_size()
            if left and before - left < self.limits.patience * self.limits.rate:
                self.transport.abort()
            elif left:
                self._watch(left)

        if self._unread is not None:
            self._unread.cancel()
        self._unread = self.loop.call_later(self.limits.patience, look)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer below the application, and close."""
        body = json.dumps(RefusalError(status, reason).told()).encode()
        wait = "Retry-After: 1\r\n" if status == 429 else ""
        head = (
            f"HTTP/1.1 {status} {PHRASES[status]}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
            f"{wait}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        if not self.transport.is_closing():
            self.transport.write(head.encode() + body)
            self.transport.close()


def connection(limits: Limits) -> type[Connection]:
    """Give the kind of connection of a server with these limits."""
    return type("Connection", (Connection,), {"limits": limits})


class Server(uvicorn.Server):
    """A server that says where it listens once it does, and answers what it has taken before it ends."""

    def __init__(self, config: uvicorn.Config, listens: Callable[[int], None]) -> None:
        super().__init__(config)
        self.listens, self.unanswered = listens, 0

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: Any = None) -> None:
        """Take what comes for a moment more, then no more; answer, and end."""
        began = time.monotonic()
        log.info("stopping: %s requests are under way", len(self.server_state.tasks))
        await asyncio.sleep(LAST_CALL)
        await super().shutdown(sockets)
        self.unanswered = len(self.server_state.tasks)
        log.info(
            "stopped after %.1f s, %s requests answered, %s not",
            time.monotonic() - began, self.server_state.total_requests, self.unanswered,
        )  # fmt: skip
