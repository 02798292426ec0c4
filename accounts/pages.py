"""The pages for signing in and out, for one's password, and for one's personal tokens."""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.generic import FormView

from accounts import first_sign_in, personal_tokens
from accounts.attempts import check_present_password
from accounts.browsers import note_account
from accounts.forms import OwnPasswordForm, PersonalTokenForm, SignInForm
from accounts.models import PersonalToken, User
from accounts.sections import AccountSection
from myhealth import preferences
from myhealth.errors import error_body
from myhealth.requests import prefers_json

log = structlog.get_logger("accounts.pages")
# What became of a form that was sent without a session.
_ENDED = {
    "": "You were signed out, so nothing was done.",
    "entry": "You were signed out, so your last entry was not saved. Please repeat it.",
}
_NO_TOKEN = "This route is for the forms of the pages: the request has no valid CSRF token."
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
    """Sign in. With `ended` in its address, it answers a form that was sent without a session."""

    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(ended=self.ended, **kwargs)

    @property
    def ended(self) -> str:
        return _ENDED.get(self.request.GET.get("ended", "no"), "")

    def get_redirect_url(self, *args: Any) -> str:
        """Return where `next` leads, unless that is this page: Django calls it a loop."""
        url = super().get_redirect_url(*args)
        return "" if urlsplit(url).path == self.request.path else url

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        response = super().form_valid(form)
        if sentence := first_sign_in.take_over(user, self.request.POST):
            messages.info(self.request, sentence)
        if self.ended:
            messages.warning(self.request, self.ended)
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

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(view=AccountSection(self.request.user), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        if not form.save_unless_signed_out():
            form.add_error(None, "Your account was changed in the meantime, so nothing was saved.")
            return self.form_invalid(form)
        update_session_auth_hash(self.request, form.user)
        note_account(self.request, form.user)
        messages.success(
            self.request, "Your password was changed. You are signed out everywhere else."
        )
        return redirect(self.get_success_url())


class TokensPage(LoginRequiredMixin, FormView):  # type: ignore[type-arg]
    """`/account/tokens/`: list one's personal tokens, and create one, which is shown once."""

    template_name = "accounts/tokens.html"
    form_class = PersonalTokenForm

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        # The dates are those of the person's time zone.
        with preferences.use(self.user.preferences):
            response: Any = super().render_to_response(context, **kwargs)
            page: HttpResponse = response.render()
        return page

    def get_form_kwargs(self) -> dict[str, Any]:
        check = functools.partial(check_present_password, self.request, self.user)
        return super().get_form_kwargs() | {"check": check}

    def form_valid(self, form: PersonalTokenForm) -> HttpResponse:
        name, days = form.cleaned_data["name"], form.cleaned_data["days"]
        try:
            token = personal_tokens.create_token(self.user, name, days)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        # Not by a redirect: the token would have to be kept meanwhile.
        empty = self.form_class(form.check)
        return self.render_to_response(self.get_context_data(form=empty, name=name, token=token))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            tokens=personal_tokens.valid_tokens(self.user).order_by("-created_at"),
            public_url=settings.PUBLIC_URL,
            view=AccountSection(self.user),
            **kwargs,
        )


@require_post
@login_required
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """`POST /account/tokens/{pk}/revoke/`: end a personal token of one's own, at once."""
    assert isinstance(request.user, User)
    revoked, _ = PersonalToken.objects.filter(user=request.user, pk=pk).delete()
    messages.success(request, "Revoked." if revoked else "This token had already ended.")
    return redirect("tokens")


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
    if prefers_json(request):
        return JsonResponse(error_body(_NO_TOKEN, "csrf_failed"), status=403)
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
