import select
from functools import cached_property
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django_prometheus.db.backends.postgresql import base as prometheus
from psycopg_pool import ConnectionPool, PoolTimeout

from myhealth.postgresql import poolers
from myhealth.postgresql.errors import ErrorWrapper, ServerMissing
from myhealth.postgresql.prepared import RawJsonLoader
from myhealth.prometheus import observe_query

# Databases that this process has connected to, until it fails to.
_connected: set[str] = set()


class DatabaseWrapper(prometheus.DatabaseWrapper):  # type: ignore[misc]
    """Django's PostgreSQL backend, which starts or joins the embedded server.

    This happens when a connection is made, not when one is taken from the pool: commands that need
    no database don't start it.
    """

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options or self.alias == NO_DB_ALIAS:
            return None
        pools: dict[str, ConnectionPool[Any]] = self._connection_pools
        if self.alias not in pools:
            pool: ConnectionPool[Any] = ConnectionPool(
                connection_class=poolers.Connection,
                # The embedded server may have another port when it is started again.
                kwargs=self._pool_params,
                open=False,
                configure=self._configure_connection,
                check=self._check_connection,
                **options,
            )
            # Of threads that get here at the same time, one wins.
            pools.setdefault(self.alias, pool)
        return pools[self.alias]

    @cached_property
    def wrap_database_errors(self) -> ErrorWrapper:
        return ErrorWrapper(self)

    def get_connection_params(self) -> dict[str, Any]:
        # The pool has its own. They are made here as long as it has no connection, so that an error
        # is raised rather than logged by one of its threads.
        return {} if self.pool and self.alias in _connected else self._params()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool:
            return super().get_new_connection(conn_params)
        _connected.discard(self.alias)
        # It need not be a new one, so django-prometheus does not count it.
        try:
            connection = base.DatabaseWrapper.get_new_connection(self, conn_params)
        except PoolTimeout as error:
            # The pool does not say why it has none.
            reason = poolers.failure(self.settings_dict["HOST"], self.settings_dict["PORT"])
            raise psycopg.OperationalError(reason or str(error)) from None
        _connected.add(self.alias)
        return connection

    def _params(self) -> dict[str, Any]:
        if settings.EMBEDDED_DATABASE:
            self.settings_dict.update(_embedded_server())
        params: dict[str, Any] = super().get_connection_params()
        return params

    def _pool_params(self) -> dict[str, Any]:
        return {**self._params(), "autocommit": True}

    def _configure_connection(self, connection: psycopg.Connection[Any]) -> None:
        connection.adapters.register_loader("jsonb", RawJsonLoader)
        super()._configure_connection(connection)

    def _check_connection(self, connection: psycopg.Connection[Any]) -> None:
        """Raise an exception unless the connection works.

        A server that closes a connection has sent something before, so only then is it asked.
        """
        received = select.poll()
        received.register(connection.fileno(), select.POLLIN)
        if not received.poll(0):
            return
        try:
            ConnectionPool.check_connection(connection)
        except psycopg.Error:
            # The pool would try one after another, with longer and longer pauses, but the others
            # have mostly been closed at the same time.
            if self.pool:
                self.pool.check()
            raise

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if observe_query not in self.execute_wrappers:
            self.execute_wrappers += [observe_query, poolers.limit_statement]

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)
        if not autocommit and poolers.is_pooled(self.connection):
            with self.wrap_database_errors:
                self.connection.execute(poolers.set_limit())


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
