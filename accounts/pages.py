"""The pages of signing in."""

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class Login(LoginView):
    template_name = "accounts/login.html"
    redirect_authenticated_user = True


def expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token: left open too long, or sent by another site."""
    return render(request, "accounts/expired.html", status=403)
