"""All that watches over one server, as one thing."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping

from collab_server.admission import Admission
from collab_server.config import ServerConfig
from collab_server.listener import Listener
from collab_server.meters import Meters
from collab_server.monitoring.figures import Figures
from collab_server.monitoring.health import Health
from collab_server.monitoring.stalls import Stalls
from collab_server.office.office import Does
from collab_server.registry import Registry


class Monitor:
    """Measures while it is running, and tells on `config.monitor` if that is set."""

    def __init__(
        self,
        config: ServerConfig,
        meters: Meters,
        registry: Registry,
        listener: Listener,
        admission: Admission,
    ) -> None:
        self.health = Health(meters, lambda: registry.trouble)
        self.address: tuple[str, int] | None = None
        """Where it answers; None while it does not."""
        self._wanted = config.monitor
        self._stalls = Stalls(meters)
        self._figures = Figures(config, meters, registry, listener, admission, self.health, self._stalls)

    @property
    def requests(self) -> Mapping[str, Does]:
        """What it answers an operator."""
        return {"figures": self._figures.answer}

    @contextlib.asynccontextmanager
    async def running(self, sock: socket.socket | None = None) -> AsyncIterator[None]:
        """Measure, and answer on `sock` if that is given, until the block ends.

        Raises:
            PortTaken: the address belongs to somebody else.
        """
        self._stalls.start()
        try:
            if self._wanted is None:
                yield
                return
            # Only here: prometheus_client takes 50 ms to import.
            from collab_server.monitoring.endpoint import serve_monitoring

            async with serve_monitoring(self._wanted, self._figures, self.health, sock=sock) as self.address:
                yield
        finally:
            self.address = None
            self._stalls.close()
            self._figures.close()
