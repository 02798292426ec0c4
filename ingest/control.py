"""What the API process asks of the processor, the only one that writes metrics."""

from urllib.parse import quote

import requests
from django.conf import settings


class ControlError(Exception):
    """The processor did not do it; the text says why, for people."""


def retry(pk: int) -> None:
    """Store a rejected document again. Raises ControlError."""
    _ask("POST", f"rejected/{pk}/retry")


def forget(username: str) -> None:
    """Delete all metrics of a person. Raises ControlError."""
    _ask("DELETE", f"people/{quote(username, safe='')}")


def _ask(method: str, path: str) -> None:
    if not settings.CONTROL_TOKENS or not settings.PROCESSOR_URL:
        raise ControlError("CONTROL_TOKENS and PROCESSOR_URL must be set for this.")
    try:
        answer = requests.request(
            method,
            f"{settings.PROCESSOR_URL}/api/v1/{path}",
            headers={"Authorization": f"Bearer {settings.CONTROL_TOKENS[0]}"},
            timeout=(5, 60),
            allow_redirects=False,
        )
        if answer.status_code in (201, 204):
            return
        detail = str(answer.json().get("detail", answer.status_code))
    except (requests.RequestException, ValueError, AttributeError):
        raise ControlError("The processor can't be reached; try again later.") from None
    raise ControlError(detail)
