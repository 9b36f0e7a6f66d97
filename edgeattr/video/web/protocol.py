"""HTTP/1.1 for visitors who may be slow, silent or many."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["PatientProtocol"]

_MOST = 256  # connections; each costs a descriptor, which cameras need as well
_PATIENCE = 10.0  # seconds for a first request, and for taking what is left at the end


class PatientProtocol(H11Protocol):
    """uvicorn's own, which by itself waits for ever for those who say nothing or do not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if there are not too many."""
        super().connection_made(transport)
        if len(self.connections) > _MOST:
            transport.abort()
        else:
            self.loop.call_later(_PATIENCE, self._look)

    def _look(self) -> None:
        if self not in self.connections:
            return
        if self.cycle is None or self.transport.is_closing():
            self.transport.abort()
        else:
            self.loop.call_later(_PATIENCE, self._look)
