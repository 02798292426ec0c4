"""The pages for signing in."""

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class Login(LoginView):
    template_name = "accounts/login.html"
    redirect_authenticated_user = True


def expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the 403 page for a form without a valid CSRF token (Django's `CSRF_FAILURE_VIEW`).

    The form was open too long, or another site sent it.
    """
    return render(request, "accounts/expired.html", status=403)
