"""HTTP/1.1 for visitors who may be slow, silent or many."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class TimeoutProtocol(H11Protocol):
    """uvicorn's own, which by itself waits for ever for those who say nothing or do not read."""

    most = 256  # connections; each costs a descriptor, which cameras need as well
    patience_s = 10.0  # for a request, the first or the next, and for taking what is left

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; of too many, one that is idle has to go."""
        super().connection_made(transport)
        self._answered: RequestResponseCycle | None = None  # the last request, where it was done
        self._made = self.loop.time()
        if len(self.connections) > self.most:
            self._make_room()
        self.loop.call_later(self.patience_s, self._check_idle)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        """Close the connection that has been idle for the longest, or this one if none is."""
        others = (other for other in self.connections if isinstance(other, TimeoutProtocol))
        idle = [other for other in others if other.is_idle and not other.transport.is_closing()]
        min(idle, key=lambda other: other._made, default=self).transport.abort()

    def _check_idle(self) -> None:
        if self not in self.connections:
            return
        if self.cycle is None or self.cycle is self._answered or self.transport.is_closing():
            self.transport.abort()
            return
        self._answered = self.cycle if self.is_idle else None
        self.loop.call_later(self.patience_s, self._check_idle)
