"""JSON responses, and the error that views raise to answer as Oura does."""

import orjson
from django.http import HttpResponse

_JSON = "application/json"


class ApiError(Exception):
    """An error of Oura's data routes, answered as FastAPI does: `{"detail": …}`."""

    def __init__(self, status: int, detail: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(detail))
        self.status, self.detail, self.headers = status, detail, headers or {}


def json_response(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    return raw_json_response(orjson.dumps(value), status, headers)


def raw_json_response(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(body, status=status, headers=headers, content_type=_JSON)


def error_response(error: ApiError) -> HttpResponse:
    return json_response({"detail": error.detail}, error.status, error.headers)
