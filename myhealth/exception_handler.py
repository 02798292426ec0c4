"""Error responses of Django REST framework, in the format of `myhealth.errors`."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError, ProgrammingError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from myhealth.errors import (
    Invalid,
    database_unavailable,
    error_body,
    join_messages,
    migrations_missing,
)
from myhealth.health import lacks_migrations
from myhealth.limits import BodyTooLarge

log = structlog.get_logger("myhealth.exception_handler")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response to an exception (Django REST framework's `EXCEPTION_HANDLER`)."""
    if isinstance(error, OperationalError | InterfaceError):
        body, headers = database_unavailable(error)
        return Response(body, status=503, headers=headers)
    if isinstance(error, ProgrammingError) and lacks_migrations():
        log.error("database lacks migrations")
        body, headers = migrations_missing()
        return Response(body, status=503, headers=headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing at this address.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    elif isinstance(error, DataError | UnicodeEncodeError):
        log.warning("impossible value", error=type(error).__name__)
        error = exceptions.ParseError("The request has a value that the database can't take.")
    if isinstance(error, Invalid):
        set_rollback()
        return Response(error_body(str(error), error.code, error.errors), status=400)
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    headers = _headers(error)
    return Response(_body(error), status=_status(error), headers=headers)


def _status(error: exceptions.APIException) -> int:
    """Return 401 if credentials failed; Django REST framework uses 403 on routes without any."""
    unauthorized = isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed)
    return status.HTTP_401_UNAUTHORIZED if unauthorized else error.status_code


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    return headers


def _body(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = _flat(error.detail)
        return error_body(join_messages(errors), "invalid", errors)
    detail: Any = error.detail
    if isinstance(detail, dict):  # from simplejwt
        code = str(detail.get("code", error.default_code))
        return error_body(str(detail.get("detail", error.default_detail)), code)
    return error_body(str(detail), str(error.get_codes()))


def _flat(detail: Any, field: str = "") -> dict[str, list[str]]:
    """Return nested details as lists of messages by dotted field name."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for key, value in detail.items():
            flat.update(_flat(value, f"{field}.{key}".strip(".")))
        return flat
    values = detail if isinstance(detail, list) else [detail]
    return {field or "non_field_errors": [str(value) for value in values]}
