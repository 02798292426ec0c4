from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.db import transaction
from django.utils.text import get_text_list

from accounts.models import User
from myhealth import time_zones

_WHAT_TO_TYPE = "Type a big city in your time zone, or your country, for example Berlin or Germany."


class TimeZoneField(forms.CharField):
    """A time zone by its name, city or country; browsers search a list while one types."""

    widget = forms.TextInput(attrs={"list": "zones", "autocomplete": "off"})

    def prepare_value(self, value: Any) -> Any:
        return time_zones.title(value) if isinstance(value, str) else value

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        found = time_zones.find(text)
        if len(found) == 1:
            return found[0]
        if found:
            problem, offered, otherwise = "“%(text)s” has several time zones.", found, ""
        else:
            problem, offered = "There is no time zone “%(text)s”.", time_zones.near(text)
            otherwise = "If not, type your country." if offered else _WHAT_TO_TYPE
        names = get_text_list(list(map(time_zones.title, offered)), "or")
        question = f"Did you mean {names}?" if names else ""
        message = " ".join(filter(None, (problem, question, otherwise)))
        raise forms.ValidationError(message, code="time_zone", params={"text": text})


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    """How a person wants values to be shown, and which day is their today."""

    time_zone = TimeZoneField(
        max_length=64,
        help_text=f"{_WHAT_TO_TYPE} The time zone decides which day counts as “today”.",
    )

    class Meta:
        model = User
        fields = (
            "time_zone",
            "temperature_unit",
            "distance_unit",
            "clock_hours",
            "first_weekday",
        )
        help_texts: ClassVar[dict[str, str]] = {"first_weekday": ""}

    zones = staticmethod(time_zones.choices)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        user = self.instance
        self.unknown_zone = "" if user.zone.key == user.time_zone else user.time_zone
        self.initial["time_zone"] = user.zone.key

    def save(self, commit: bool = True) -> Any:
        self.instance.was_asked_for_zone = True
        return super().save(commit)


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """Django's form for a new password, in our words."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.error_messages = {
            **self.error_messages,
            "password_mismatch": "The two new passwords are not the same.",
        }
        first, again = self.fields["new_password1"], self.fields["new_password2"]
        first.help_text = (
            "At least 12 characters, not only digits, no common password, and not like your user "
            "name."
        )
        again.label, again.help_text = "New password, again", ""


class SignInForm(AuthenticationForm):
    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": ("The user name or the password is wrong. Passwords are case-sensitive."),
    }


class _ChecksPassword:
    """A form with a field for the present password; `check` says whether a text is it."""

    cleaned_data: dict[str, Any]

    def __init__(self, check: Callable[[str], bool], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.check = check

    def _checked(self, field: str) -> str:
        password: str = self.cleaned_data[field]
        if not self.check(password):
            raise forms.ValidationError("This is not your password.", code="password_incorrect")
        return password


class PresentPasswordForm(_ChecksPassword, forms.Form):
    """A person's present password, before what can't be undone."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean_password(self) -> str:
        return self._checked("password")


class OwnPasswordForm(_ChecksPassword, NewPasswordForm, PasswordChangeForm):
    """A person's new password, which counts only if nothing ended their session meanwhile."""

    def clean_old_password(self) -> str:
        return self._checked("old_password")

    def save_unless_signed_out(self) -> bool:
        """Store the new password, and return whether it was stored.

        While it was hashed, an administrator may have set another one or disabled the account.
        """
        return save_unless_signed_out(self.user, self.cleaned_data["new_password1"])


class PersonalTokenForm(PresentPasswordForm):
    """What a new personal token is for."""

    field_order = ("name", "days", "password")

    name = forms.CharField(
        max_length=60,
        help_text="What it is for, such as Home Assistant.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label="Expires",
        choices=[("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never")],
        initial="365",
        required=False,
        coerce=int,
        empty_value=None,
    )


def save_unless_signed_out(user: User, password: str) -> bool:
    """Store a new password unless something ended the person's tokens since they were loaded.

    Returns whether it was stored.
    """
    user.set_password(password)
    with transaction.atomic():
        unchanged = User.objects.select_for_update().filter(
            pk=user.pk, token_version=user.token_version, is_active=True
        )
        if unchanged.first() is None:
            return False
        user.save(update_fields=["password"])
    return True
