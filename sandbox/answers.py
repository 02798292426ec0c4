"""Answers as Oura gives them, and the errors that views raise to give one."""

import orjson
from django.http import HttpResponse

JSON = "application/json"


class Refused(Exception):
    """An error as people see it on Oura's data routes: FastAPI's `{"detail": …}` and no more."""

    def __init__(self, status: int, detail: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(detail))
        self.status, self.detail, self.headers = status, detail, headers or {}


def json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return raw(orjson.dumps(value), status, headers)


def raw(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(body, status=status, headers=headers, content_type=JSON)


def refusal(refused: Refused) -> HttpResponse:
    return json({"detail": refused.detail}, refused.status, refused.headers)
