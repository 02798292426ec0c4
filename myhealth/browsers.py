"""Middleware that only browsers need: static files, sessions, messages, CORS, error pages.

Most requests come from programs that send a token to the API. Those have no use for it, and it
would take longer than answering them.
"""

from collections.abc import Callable
from typing import Any, TypeGuard

import corsheaders.middleware
import orjson
import whitenoise.middleware  # type: ignore[import-untyped]
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
)
from django.http.response import HttpResponseBase
from django.middleware import common, gzip
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import is_valid_path
from django.utils.cache import patch_vary_headers
from django.utils.encoding import iri_to_uri
from django.utils.http import escape_leading_slashes

from myhealth.headers import bearer_token
from myhealth.limits import Busy, CountedStream, refuse, waiting_network
from myhealth.requests import is_for_programs, wants_page

# In bytes. The kernel takes smaller files from the server at once, so that no thread waits, and no
# memory is held.
_LARGE_FILE = 256 * 1024


def is_from_program(request: HttpRequest) -> bool:
    """Return whether the request has a token for the API, which is all that identifies it."""
    return bool(bearer_token(request)) and request.path_info.startswith("/api/v1/")


def _for_browsers(middleware: type[Any]) -> type[Any]:
    """Return the middleware changed to leave out requests of programs."""

    class ForBrowsers(middleware):  # type: ignore[misc]
        def __call__(self, request: HttpRequest) -> HttpResponseBase:
            handle = self.get_response if is_from_program(request) else super().__call__
            response: HttpResponseBase = handle(request)
            return response

    ForBrowsers.__name__ = ForBrowsers.__qualname__ = middleware.__name__
    return ForBrowsers


class WhiteNoiseMiddleware(_for_browsers(whitenoise.middleware.WhiteNoiseMiddleware)):  # type: ignore[misc]
    """WhiteNoise, without threads that wait for clients who don't read the file they asked for."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # A part of a large file would take as much memory as the whole.
        request.META.pop("HTTP_RANGE", None)
        if request.path_info.startswith(self.static_prefix):
            self._lead_to_own_version(request)
        response: HttpResponseBase = super().__call__(request)
        if not isinstance(response, FileResponse):
            return response
        if int(response.get("Content-Length", "0")) > _LARGE_FILE:
            try:
                response.streaming_content = CountedStream(iter(response), waiting_network(request))
            except Busy as error:
                response.close()
                return refuse(error)
            return response
        content = response.getvalue()
        response.close()
        return HttpResponse(content, status=response.status_code, headers=response.headers)

    def _lead_to_own_version(self, request: HttpRequest) -> None:
        """Answer for a file of another version with this version's, which browsers keep briefly.

        During an upgrade, two versions serve: the one may be asked for what a page of the other
        names.
        """
        if request.path_info not in self.files:
            plain = self.get_name_without_hash(request.path_info)
            if plain in self.files:
                request.path_info = plain


SessionMiddleware = _for_browsers(sessions.SessionMiddleware)
AuthenticationMiddleware = _for_browsers(auth.AuthenticationMiddleware)
MessageMiddleware = _for_browsers(messages.MessageMiddleware)


class GZipMiddleware(_for_browsers(gzip.GZipMiddleware)):  # type: ignore[misc]
    """Django's, which adds bytes of random length, so that the size gives nothing away.

    Static files are not its business, and what is streamed is compressed already.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        if response.streaming:
            return response
        # Also where nothing is compressed: a 304 has the headers of what it stands for.
        patch_vary_headers(response, ["Accept-Encoding"])
        return super().process_response(request, response)


class CorsMiddleware(corsheaders.middleware.CorsMiddleware):
    """django-cors-headers, without work for requests that don't come from a web page."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_ORIGIN" in request.META:
            handle: Callable[[HttpRequest], Any] = super().__call__
            return handle(request)  # type: ignore[no-any-return]
        response: HttpResponseBase = self.get_response(request)  # type: ignore[assignment]
        if not response.headers.get("Vary", "").endswith("origin"):
            patch_vary_headers(response, ["origin"])
        return response


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which leads to addresses that were written with a slash too few, or too many.

    Only reads are redirected: browsers would send a form again without its content.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return _is_read(request) and super().should_redirect_with_slash(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        path = request.path_info.rstrip("/")
        if response.status_code == 404 and _is_read(request) and path != request.path_info:
            for fixed in {path, f"{path}/"} - {request.path_info}:
                match = is_valid_path(fixed)
                if match and getattr(match.func, "should_append_slash", True):
                    query = request.META.get("QUERY_STRING", "")
                    address = escape_leading_slashes(iri_to_uri(fixed))
                    return self.response_redirect_class(f"{address}?{query}" if query else address)
        return super().process_response(request, response)


def _is_read(request: HttpRequest) -> bool:
    return request.method in ("GET", "HEAD")


class ErrorPages:
    """Middleware that shows people a page for what programs get in JSON.

    Who opens the address of a form's button is led to the page with that button. It needs no
    database: neither the session nor the user.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code < 400 or not wants_page(request) or not _is_bare(response):
            return response
        if response.status_code == 405 and _is_read(request) and not is_for_programs(request):
            return redirect("account")
        body = orjson.loads(response.content or b"{}")
        context = {
            "status": response.status_code,
            "sentence": body.get("detail"),
            # Whether it is still valid, only the database knows.
            "has_session": response.status_code != 503
            and settings.SESSION_COOKIE_NAME in request.COOKIES,
        }
        response.content = render_to_string("myhealth/error.html", context)
        response["Content-Type"] = "text/html; charset=utf-8"
        return response


def _is_bare(response: HttpResponseBase) -> TypeGuard[HttpResponse]:
    """Return whether an answer is JSON, or has no content."""
    is_json = response.get("Content-Type", "").startswith("application/json")
    return is_json or (isinstance(response, HttpResponseNotAllowed) and not response.content)
