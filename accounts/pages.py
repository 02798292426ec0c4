"""The pages for signing in and out, and for one's password."""

import functools
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.middleware import csrf
from django.shortcuts import redirect, render
from django.urls import reverse_lazy

from accounts import first_sign_in
from accounts.attempts import check_present_password
from accounts.browsers import note_account
from accounts.forms import OwnPasswordForm
from accounts.models import User

log = structlog.get_logger("accounts.pages")
# How Django's reasons begin that speak of the address from which a form was sent.
_ELSEWHERE = ("Origin checking failed", "Referer checking failed")


def require_post(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Lead people who typed the address of a form's button back to the page with that button."""

    @functools.wraps(view)
    def post_only(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in ("GET", "HEAD"):
            return redirect("account")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return view(request, *args, **kwargs)

    return post_only


class Login(LoginView):
    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        is_first = user.last_login is None
        response = super().form_valid(form)
        if is_first and (sentence := first_sign_in.take_over(user, self.request.POST)):
            messages.info(self.request, sentence)
        return response


class PasswordPage(PasswordChangeView):
    """Change one's own password: all other sessions end, and all tokens."""

    template_name = "accounts/password.html"
    form_class = OwnPasswordForm
    success_url = reverse_lazy("account")

    def get_form_kwargs(self) -> dict[str, Any]:
        assert isinstance(self.request.user, User)
        check = functools.partial(check_present_password, self.request, self.request.user)
        return super().get_form_kwargs() | {"check": check}

    def form_valid(self, form: Any) -> HttpResponse:
        if not form.save_unless_signed_out():
            form.add_error(None, "Your account was changed meanwhile, so nothing was saved.")
            return self.form_invalid(form)
        update_session_auth_hash(self.request, form.user)
        note_account(self.request, form.user)
        messages.success(
            self.request, "Your password was changed. You are signed out everywhere else."
        )
        return redirect(self.get_success_url())


@require_post
@login_required
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """`POST /account/sign-out/`: end all sessions and tokens of the person, also this session."""
    assert isinstance(request.user, User)
    request.user.sign_out_everywhere()
    logout(request)
    messages.success(request, "You are signed out everywhere.")
    return redirect("rest_framework:login")


def expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the 403 page for a form without a valid CSRF token (Django's `CSRF_FAILURE_VIEW`).

    It was sent from another address than ours, without our cookie, or long after it was opened.
    """
    case = "old"
    if reason == csrf.REASON_NO_CSRF_COOKIE:
        case = "cookie"
    elif reason.startswith(_ELSEWHERE):
        # Browsers send this word for an origin that they keep to themselves.
        hidden = request.headers.get("Origin") == "null" or reason == csrf.REASON_NO_REFERER
        case = "hidden" if hidden else "elsewhere"
    if case == "elsewhere":
        log.warning("a form came from an address that is neither PUBLIC_URL nor trusted")
    context = {"case": case, "public_url": settings.PUBLIC_URL}
    return render(request, "accounts/expired.html", context, status=403)
