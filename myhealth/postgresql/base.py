from typing import Any

from django.conf import settings
from django.db import OperationalError
from django_prometheus.db.backends.postgresql import base

from myhealth.metrics import observe_query


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """Django's PostgreSQL backend that finds the embedded server by itself.

    Joining waits for the first connection, so commands that need no database start none.
    """

    def get_connection_params(self) -> dict[str, Any]:
        if settings.EMBEDDED_DATABASE:
            from myhealth.local import embedded

            try:
                server = embedded.join(settings.VAR_DIR)
            except embedded.EmbeddedError as error:
                raise OperationalError(str(error)) from error
            self.settings_dict.update(
                HOST=server.host, PORT=server.port, USER=server.user, PASSWORD=server.password
            )
        params: dict[str, Any] = super().get_connection_params()
        return params

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if observe_query not in self.execute_wrappers:
            self.execute_wrappers.append(observe_query)
