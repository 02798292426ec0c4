"""What all pages for people have in common."""

from datetime import date

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest

from accounts.models import User
from myhealth.days import FIRST_DAY, parse_day, shift


class PersonalPage(LoginRequiredMixin):
    """A page that shows people their own data.

    `section` is the entry of the navigation that the page belongs to.
    """

    request: HttpRequest
    section = ""

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user


def page_day(text: str, today: date) -> date:
    """Return the day in an address. Raises Http404 for what is no day that a page can show.

    Tomorrow is one: east of the person's time zone it may have begun.
    """
    day = parse_day(text)
    if day is None or not FIRST_DAY <= day <= shift(today, 1):
        raise Http404
    return day
