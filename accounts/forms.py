import zoneinfo
from typing import Any, ClassVar

from django import forms

from accounts.models import User


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("time_zone",)
        widgets: ClassVar[dict[str, Any]] = {
            "time_zone": forms.Select(
                choices=[(name, name) for name in sorted(zoneinfo.available_timezones())]
            )
        }
