"""One-time links with which people set a new password when they have forgotten theirs.

An operator makes them (`manage.py reset_password`). Nothing is stored: a link is signed with
SECRET_KEY, together with the password's hash and the version of the account's tokens. So it ends
after a day, and with every new password, with *Sign out everywhere* and when the account is
disabled.
"""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import attempts
from accounts.forms import NewPasswordForm, save_unless_signed_out
from accounts.models import User


class _LinkSigner(PasswordResetTokenGenerator):
    key_salt = "accounts.reset"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk} {user.password} {user.token_version} {timestamp}"

    def _now(self) -> datetime:
        # Django's is in local time, which may differ between the command and the API.
        return datetime.now(UTC).replace(tzinfo=None)


_signer = _LinkSigner()


def reset_path(user: User) -> str:
    """Return the path of a new link for an account."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("reset-password", args=[uid, _signer.make_token(user)])


class ResetPage(PasswordResetConfirmView):
    """Set a new password with a link, which Django moves from the address into the session."""

    template_name = "accounts/reset.html"
    form_class = NewPasswordForm
    token_generator = _signer

    def get_user(self, uidb64: str) -> Any:
        user = super().get_user(uidb64)
        return user if user and user.is_active else None

    def form_valid(self, form: Any) -> HttpResponse:
        assert isinstance(self.user, User)
        if not save_unless_signed_out(self.user, form.cleaned_data["new_password1"]):
            form.add_error(None, "Your account was changed in the meantime, so nothing was saved.")
            return self.form_invalid(form)
        # Who forgot a password has tried some.
        attempts.forget(User.objects.filter(pk=self.user.pk))
        # It has the link, and someone else may be signed in.
        logout(self.request)
        messages.success(self.request, "Your new password is set. Sign in with it.")
        return redirect("rest_framework:login")

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        if not self.validlink:
            kwargs["status"] = 404
        return super().render_to_response(context, **kwargs)
