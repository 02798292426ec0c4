"""`/account/delete/…`: delete one's data or one's account, and the sample account."""

import functools
from typing import Any

import structlog
from django.contrib import messages
from django.contrib.auth import logout
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.generic import FormView

from accounts.attempts import check_present_password
from accounts.forms import PresentPasswordForm
from accounts.models import User
from dashboard.pages.base import PersonalPage
from dashboard.people import (
    delete_account,
    delete_data,
    refill,
    removable_demo,
    stored_days,
)
from ingest.control import ControlError
from oura.models import Connection

log = structlog.get_logger("dashboard.people")
_NOT_FINISHED = "Deleting did not finish: a part of myhealth can't be reached. Try again later."


class _DeletePage(PersonalPage, FormView):  # type: ignore[type-arg]
    """Ask before something is deleted, and delete it."""

    template_name = "dashboard/delete.html"
    section = "account"
    current = "true"
    http_method_names = ["get", "head", "post"]
    what = ""
    done = ""

    def person(self) -> User:
        return self.user

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        person = self.person()
        return super().get_context_data(
            what=self.what,
            person=person,
            days=stored_days(person),
            connection=Connection.objects.filter(user=person).first(),
            refill=refill(person),
            **kwargs,
        )

    def form_valid(self, form: Any) -> HttpResponse:
        person = self.person()
        pk = person.pk
        try:
            self.erase(person)
        except ControlError as error:
            log.error("person not deleted", person=pk, error=str(error))
            form.add_error(None, _NOT_FINISHED)
            return self.form_invalid(form)
        log.warning("person deleted", person=pk, what=self.what)
        messages.success(self.request, self.done)
        return redirect("account")

    def erase(self, person: User) -> None:
        raise NotImplementedError

    def warn(self, sentence: str) -> None:
        messages.warning(self.request, sentence)


class _OwnPage(_DeletePage):
    form_class = PresentPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        check = functools.partial(check_present_password, self.request, self.user)
        return super().get_form_kwargs() | {"check": check}


class DeleteDataPage(_OwnPage):
    what = "data"
    done = "Your data have been deleted."

    def erase(self, person: User) -> None:
        delete_data(person, self.warn)


class DeleteAccountPage(_OwnPage):
    what = "account"
    done = "Your account has been deleted, with all its data."

    def is_last_administrator(self) -> bool:
        others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=self.user.pk)
        return self.user.is_superuser and not others.exists()

    def erase(self, person: User) -> None:
        delete_account(person, self.warn)
        logout(self.request)


class RemoveDemoPage(_DeletePage):
    """Delete the sample account once there are real data."""

    what = "demo"
    done = "The sample account has been removed."
    form_class = Form

    def person(self) -> User:
        demo = removable_demo(self.user)
        if demo is None:
            raise Http404
        return demo

    def erase(self, person: User) -> None:
        delete_account(person, self.warn)
