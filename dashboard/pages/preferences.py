"""`/account/preferences/`: how a person wants values to be shown, and their time zone."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import UpdateView

from accounts.forms import PreferencesForm
from accounts.models import User
from dashboard.pages.base import PersonalPage


class PreferencesPage(PersonalPage, UpdateView):  # type: ignore[type-arg]
    template_name = "dashboard/preferences.html"
    section = "account"
    current = "true"
    form_class = PreferencesForm
    success_url = reverse_lazy("account")

    def get_object(self, queryset: Any = None) -> User:
        return self.user

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Saved.")
        return super().form_valid(form)
