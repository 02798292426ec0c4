import select
from typing import Any

import psycopg
from django.conf import settings
from django_prometheus.db.backends.postgresql import base

from myhealth.postgresql.errors import ServerMissing
from myhealth.postgresql.prepared import RawJsonLoader
from myhealth.prometheus import observe_query


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """Django's PostgreSQL backend, which starts or joins the embedded server.

    This happens at the first connection: commands that need no database don't start it.
    """

    def get_connection_params(self) -> dict[str, Any]:
        if settings.EMBEDDED_DATABASE:
            self.settings_dict.update(_embedded_server())
        params: dict[str, Any] = super().get_connection_params()
        return params

    def _configure_connection(self, connection: psycopg.Connection[Any]) -> bool:
        connection.adapters.register_loader("jsonb", RawJsonLoader)
        changed: bool = super()._configure_connection(connection)
        return changed

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if observe_query not in self.execute_wrappers:
            self.execute_wrappers.append(observe_query)

    def is_usable(self) -> bool:
        """Return whether the connection works. Django calls this once for each request.

        A server that closes a connection has sent something before, so only then is it asked.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        received = select.poll()
        received.register(connection.fileno(), select.POLLIN)
        return not received.poll(0) or bool(super().is_usable())


def _embedded_server() -> dict[str, Any]:
    """Return the embedded server's address as database settings. Raises ServerMissing."""
    try:
        from myhealth.local import embedded
        from myhealth.local.server import EmbeddedError
    except ModuleNotFoundError as error:
        if error.name not in ("myhealth.local", "myhealth.local.embedded"):
            raise
        # The production image has no embedded server.
        raise ServerMissing("DB_HOST must name the PostgreSQL server.") from error
    try:
        server = embedded.join(settings.VAR_DIR)
    except EmbeddedError as error:
        raise ServerMissing(str(error)) from error
    return {
        "HOST": server.host,
        "PORT": server.port,
        "USER": server.user,
        "PASSWORD": server.password,
    }
