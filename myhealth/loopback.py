"""One address for all pages: a cookie of `localhost` is not sent to `127.0.0.1`."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# Routes for programs, which are never redirected.
_API_PATHS = ("/api/", "/auth/", "/static/")


class LoopbackMiddleware:
    """Redirect pages requested at another loopback name than `PUBLIC_URL`'s to that one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_API_PATHS):
            return self.get_response(request)
        public = urlsplit(settings.PUBLIC_URL)
        host, _, port = request.get_host().rpartition(":")
        if not host or host.count(":") > 1 and not host.endswith("]"):
            host, port = request.get_host(), ""
        elsewhere = (
            request.method in ("GET", "HEAD")
            and host in _LOOPBACK_HOSTS
            and public.hostname in ("localhost", "127.0.0.1", "::1")
            and host.strip("[]") != public.hostname
            and port == str(public.port or "")
        )
        if elsewhere:
            return HttpResponseRedirect(f"{settings.PUBLIC_URL}{request.get_full_path()}")
        return self.get_response(request)
