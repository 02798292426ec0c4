from collections.abc import Callable
from math import ceil

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from accounts.attempts import TooManyAttempts
from accounts.browsers import remember_browser


class SignInMiddleware:
    """Remember browsers, and answer 429 where a page can't check or set a password now."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        remember_browser(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooManyAttempts):
            return None
        page = render(
            request, "accounts/locked.html", {"minutes": ceil(exception.wait / 60)}, status=429
        )
        page["Retry-After"] = str(exception.wait)
        return page
