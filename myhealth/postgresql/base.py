import select
from typing import Any

import psycopg
from django.conf import settings
from django_prometheus.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

from myhealth.postgresql.errors import ServerMissing
from myhealth.prometheus import observe_query


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """Django's PostgreSQL backend, which starts or joins the embedded server.

    This happens when a connection is made, not when one is taken from the pool: commands that need
    no database don't start it.
    """

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options or self.alias == base.base.NO_DB_ALIAS:
            return None
        pools: dict[str, ConnectionPool[Any]] = self._connection_pools
        if self.alias not in pools:
            pool = ConnectionPool(
                # The embedded server may have another port when it is started again.
                kwargs=self._pool_params,
                open=False,
                configure=self._configure_connection,
                check=_check,
                **options,
            )
            # Of threads that get here at the same time, one wins.
            pools.setdefault(self.alias, pool)
        return pools[self.alias]

    def get_connection_params(self) -> dict[str, Any]:
        # Each request takes a connection from the pool, which has its own parameters.
        return {} if self.pool else self._params()

    def _params(self) -> dict[str, Any]:
        if settings.EMBEDDED_DATABASE:
            self.settings_dict.update(_embedded_server())
        params: dict[str, Any] = super().get_connection_params()
        return params

    def _pool_params(self) -> dict[str, Any]:
        return {**self._params(), "autocommit": True}

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if observe_query not in self.execute_wrappers:
            self.execute_wrappers.append(observe_query)


def _check(connection: psycopg.Connection[Any]) -> None:
    """Raise an exception unless the connection is usable.

    A server that closes a connection has sent something, so only then is it asked.
    """
    waiting = select.poll()
    waiting.register(connection.pgconn.socket, select.POLLIN)
    if waiting.poll(0):
        ConnectionPool.check_connection(connection)


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
