from typing import Any

from django.conf import settings
from django_prometheus.db.backends.postgresql import base

from myhealth.postgresql.errors import ServerMissing
from myhealth.prometheus import observe_query


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """Django's PostgreSQL backend that finds the embedded server by itself.

    Joining waits for the first connection, so commands that need no database start none.
    """

    def get_connection_params(self) -> dict[str, Any]:
        if settings.EMBEDDED_DATABASE:
            self.settings_dict.update(embedded_server())
        params: dict[str, Any] = super().get_connection_params()
        return params

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if observe_query not in self.execute_wrappers:
            self.execute_wrappers.append(observe_query)


def embedded_server() -> dict[str, Any]:
    """Where the embedded server answers, as settings; ServerMissing where there can't be one."""
    try:
        from myhealth.local import embedded
        from myhealth.local.server import EmbeddedError
    except ModuleNotFoundError as error:
        if error.name not in ("myhealth.local", "myhealth.local.embedded"):
            raise
        # As in the production image, which has no server of its own.
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
