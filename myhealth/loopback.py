"""One address for pages: cookies of `localhost` are unknown at `127.0.0.1`."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Routes of programs, which answer under each name.
PROGRAMS = ("/api/", "/auth/", "/static/")


class LoopbackMiddleware:
    """Pages asked under another loopback name than `PUBLIC_URL`'s redirect there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        public = urlsplit(settings.PUBLIC_URL)
        asked, _, port = request.get_host().rpartition(":")
        if not asked or asked.count(":") > 1 and not asked.endswith("]"):
            asked, port = request.get_host(), ""
        elsewhere = (
            request.method in ("GET", "HEAD")
            and asked in LOOPBACK
            and public.hostname in ("localhost", "127.0.0.1", "::1")
            and asked.strip("[]") != public.hostname
            and port == str(public.port or "")
            and not request.path.startswith(PROGRAMS)
        )
        if elsewhere:
            return HttpResponseRedirect(f"{settings.PUBLIC_URL}{request.get_full_path()}")
        return self.get_response(request)
