"""`/nights/` and `/nights/{day}/`."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView, View

from dashboard.pages.base import PersonalPage
from dashboard.queries import rows_of_user
from ingest.models import SleepMetric


class NightsPage(PersonalPage, View):
    """Lead to the newest night."""

    def get(self, request: HttpRequest) -> HttpResponse:
        newest = rows_of_user(SleepMetric, self.user.pk).order_by("-day").first()
        return redirect("night", newest.day if newest else self.user.today())


class NightPage(PersonalPage, TemplateView):
    template_name = "dashboard/night.html"
    section = "nights"
