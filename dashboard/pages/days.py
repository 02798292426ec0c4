"""`/days/` and `/days/{day}/`."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView, View

from dashboard.pages.base import PersonalPage


class DaysPage(PersonalPage, View):
    """Lead to a day: the one that the form for jumping to a date names, or today."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("day-page", request.GET.get("day") or self.user.today())


class DayPage(PersonalPage, TemplateView):
    template_name = "dashboard/day.html"
    section = "today"
