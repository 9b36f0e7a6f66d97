"""HTTP/1.1 for visitors who may be slow, silent or many."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

__all__ = ["PatientProtocol"]

_MOST = 256  # connections; each costs a descriptor, which cameras need as well
_PATIENCE = 10.0  # seconds for a request, the first or the next, and for taking what is left


class PatientProtocol(H11Protocol):
    """uvicorn's own, which by itself waits for ever for those who say nothing or do not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if there are not too many."""
        super().connection_made(transport)
        self._answered: RequestResponseCycle | None = None  # the last request, where it was done
        if len(self.connections) > _MOST:
            transport.abort()
        else:
            self.loop.call_later(_PATIENCE, self._look)

    def _look(self) -> None:
        if self not in self.connections:
            return
        idle = self.cycle is None or self.cycle is self._answered
        if idle or self.transport.is_closing():
            self.transport.abort()
            return
        done = self.cycle is not None and self.cycle.response_complete
        self._answered = self.cycle if done else None
        self.loop.call_later(_PATIENCE, self._look)
