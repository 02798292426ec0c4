"""JSON responses, and the error that views raise to answer as Oura does."""

import orjson
from django.http import HttpResponse

_JSON = "application/json"
_GATEWAY = b"""<!DOCTYPE HTML><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE>
</HEAD><BODY><H1>%b ERROR</H1><H2>The request could not be satisfied.</H2></BODY></HTML>"""


class ApiError(Exception):
    """An error of Oura's data routes, answered as FastAPI does: `{"detail": …}`."""

    def __init__(self, status: int, detail: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(detail))
        self.status, self.detail, self.headers = status, detail, headers or {}


class TextError(ApiError):
    """An error that comes from in front of the data routes, or from their failure: not JSON."""

    def __init__(self, status: int, body: bytes, content_type: str) -> None:
        super().__init__(status, None)
        self.body, self.content_type = body, content_type


def gateway_error(status: int) -> TextError:
    return TextError(status, gateway_page(status), "text/html")


def gateway_page(status: int | None) -> bytes:
    """Return the page that Oura's gateway shows for a status."""
    return _GATEWAY % str(status or "").encode()


def json_response(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    return raw_json_response(orjson.dumps(value), status, headers)


def raw_json_response(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(body, status=status, headers=headers, content_type=_JSON)


def error_response(error: ApiError) -> HttpResponse:
    if isinstance(error, TextError):
        return HttpResponse(error.body, status=error.status, content_type=error.content_type)
    return json_response({"detail": error.detail}, error.status, error.headers)
