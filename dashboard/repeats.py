"""Reads that a program repeats: answered as before, as long as nothing has changed.

Programs ask for the same again and again. Besides the request, an answer to a read depends on its
`Basis` alone. While that is the same, one small query is enough.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TTLCache
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.cache import get_conditional_response

from accounts.authentication import known_user
from accounts.models import User
from dashboard.queries import Basis, read_basis
from myhealth.browsers import is_from_program

MAX_BYTES = 16 * 1024 * 1024
# A larger answer would replace too many others.
_MOST_BYTES = 4 * 1024 * 1024
# What an answer takes besides its body and what was asked.
_BYTES_EACH = 2_000
# Programs ask in fewer characters; longer questions would take memory for nothing.
_LONGEST_QUESTION = 500
# Nothing older is used.
_SECONDS = 600
_NOT_MODIFIED_HEADERS = ("ETag", "Allow", "Cache-Control", "Vary")


class ReadResponse(HttpResponse):
    """The answer to a read; for the same request, it is right as long as the basis is the same.

    Without a basis, it is not remembered.
    """

    basis: Basis | None = None

    def or_not_modified(self, request: HttpRequest) -> HttpResponse:
        """Return a 304 if the request's `If-None-Match` names this answer, else the answer."""
        if "HTTP_IF_NONE_MATCH" not in request.META:
            return self
        found = get_conditional_response(request, etag=self.headers["ETag"])
        # If-Match is for writes, so a read ignores that it fails.
        if found is None or found.status_code != 304:
            return self
        headers = {name: self.headers[name] for name in _NOT_MODIFIED_HEADERS}
        not_modified = HttpResponse(status=304, headers=headers)
        del not_modified.headers["Content-Type"]
        return not_modified


class _Answer(NamedTuple):
    basis: Basis
    match: ResolverMatch | None
    headers: dict[str, str]
    body: bytes


# The account's id, the path, the query and the Accept header.
_Question = tuple[int, str, str, str]


class RepeatedReads:
    """Middleware that answers repeated reads of programs.

    It comes last, so the other middleware treats its answers like those of views.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._lock = threading.Lock()
        self._answers: TTLCache[_Question, _Answer] = TTLCache(
            MAX_BYTES, _SECONDS, getsizeof=lambda answer: _BYTES_EACH + len(answer.body)
        )

    @property
    def bytes_used(self) -> int:
        with self._lock:
            return int(self._answers.currsize)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "GET" or not is_from_program(request):
            return self.get_response(request)
        if user := known_user(request):
            with self._lock:
                answer = self._answers.get(_question(request, user.pk))
            if answer and _is_right(answer, user):
                request.resolver_match = answer.match
                repeated = ReadResponse(answer.body, headers=answer.headers)
                return repeated.or_not_modified(request)
        response = self.get_response(request)
        if isinstance(response, ReadResponse) and response.basis:
            self._remember(request, response, response.basis)
        return response

    def _remember(self, request: HttpRequest, response: ReadResponse, basis: Basis) -> None:
        if request.user.pk is None or len(response.content) > _MOST_BYTES:
            return
        question = _question(request, request.user.pk)
        if sum(map(len, question[1:])) <= _LONGEST_QUESTION:
            headers = dict(response.headers.items())
            answer = _Answer(basis, request.resolver_match, headers, response.content)
            with self._lock:
                self._answers[question] = answer


def _is_right(answer: _Answer, user: User) -> bool:
    try:
        return answer.basis == read_basis(user)
    except (DatabaseError, InterfaceError):
        # The view says what is wrong.
        return False


def _question(request: HttpRequest, user_id: int) -> _Question:
    meta = request.META
    query, accept = meta.get("QUERY_STRING", ""), meta.get("HTTP_ACCEPT", "")
    return user_id, request.path_info, query, accept
