"""What went wrong, in the one shape of every service: `{"detail", "code", "errors"}`."""

from typing import Any

RETRY_AFTER_SECONDS = "5"


class Invalid(Exception):
    """Something that was given can't be used: `Invalid({"end": ["…"]})`, each field's messages.

    `code` is a stable word; a view that lets it pass answers 400.
    """

    def __init__(self, errors: dict[str, list[str]], code: str = "invalid") -> None:
        self.errors = errors
        self.code = code
        super().__init__(sentence(errors))


def sentence(errors: dict[str, list[str]]) -> str:
    return " ".join(f"{field}: {text}" for field, texts in errors.items() for text in texts)


def error_body(
    detail: str, code: str, errors: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    return {"detail": detail, "code": code, "errors": errors or {}}


def unavailable() -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of the 503 while the database is away."""
    body = error_body("The database can't be reached; try again shortly.", "unavailable")
    return body, {"Retry-After": RETRY_AFTER_SECONDS}
