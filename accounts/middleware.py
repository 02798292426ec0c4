from collections.abc import Callable
from math import ceil

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.defaultfilters import pluralize

from accounts.attempts import TooManyAttempts
from accounts.browsers import remember_browser
from myhealth.errors import error_body
from myhealth.requests import prefers_json


class SignInMiddleware:
    """Remember browsers, answer 429 where a page can't check or set a password now, and let the
    sign-in page know that it stands in the way of a form.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        remember_browser(request, response)
        if request.method == "POST" and _leads_to_sign_in(response):
            # Buttons send nothing that could be lost.
            has_entry = request.POST.keys() - {"csrfmiddlewaretoken"}
            response["Location"] += "&ended=entry" if has_entry else "&ended"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooManyAttempts):
            return None
        wait = _in_words(exception.wait)
        page: HttpResponse
        if prefers_json(request):
            sentence = f"Too many passwords are being tried; try again in {wait}."
            page = JsonResponse(error_body(sentence, "throttled"), status=429)
        else:
            page = render(request, "accounts/locked.html", {"wait": wait}, status=429)
        page["Retry-After"] = str(exception.wait)
        return page


def _in_words(seconds: int) -> str:
    number, unit = (seconds, "second") if seconds < 60 else (ceil(seconds / 60), "minute")
    return f"{number} {unit}{pluralize(number)}"


def _leads_to_sign_in(response: HttpResponseBase) -> bool:
    return response.get("Location", "").startswith(f"{settings.LOGIN_URL}?next=")
