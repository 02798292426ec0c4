"""Requests of the API process to the processor, since only the processor writes metrics."""

from urllib.parse import quote

import requests
from django.conf import settings

from myhealth.outgoing import direct_session


class ControlError(Exception):
    """The processor did not do it; the message gives the reason to people."""


def retry_rejected(pk: int) -> None:
    """Try again to store a rejected document. Raises ControlError."""
    _send("POST", f"rejected/{pk}/retry")


def delete_metrics(username: str) -> None:
    """Delete all metrics of a person. Raises ControlError."""
    _send("DELETE", f"people/{quote(username, safe='')}")


def _send(method: str, path: str) -> None:
    if not settings.CONTROL_TOKENS or not settings.PROCESSOR_URL:
        raise ControlError("Set CONTROL_TOKENS and PROCESSOR_URL to allow this.")
    try:
        with direct_session() as session:
            response = session.request(
                method,
                f"{settings.PROCESSOR_URL}/api/v1/{path}",
                headers={"Authorization": f"Bearer {settings.CONTROL_TOKENS[0]}"},
                timeout=(5, 60),
                allow_redirects=False,
                verify=settings.PROCESSOR_CA_BUNDLE or True,
            )
        if response.status_code in (201, 204):
            return
        detail = str(response.json().get("detail", response.status_code))
    except (requests.RequestException, ValueError, AttributeError):
        raise ControlError("The processor can't be reached. Try again later.") from None
    raise ControlError(detail)
