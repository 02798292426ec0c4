"""A person is deleted, or their data, between a request of a run to Oura and its answer."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Origin, User
from ingest.models import METRIC_MODELS, Fetch, MetricSource, RejectedDocument, Revision, Run
from metrics import TYPES
from oura import vault
from oura.accounts import select_accounts
from oura.collecting import collect_accounts
from oura.models import Connection
from oura.plan import CollectOptions
from tests.oura.answering import Reply, StubServer
from tests.scale import full_only
from tests.worlds import PASSWORDS, days_ago, person

pytestmark = pytest.mark.django_db(transaction=True)
OF_DATA = (*METRIC_MODELS.values(), MetricSource, RejectedDocument, Revision, Fetch, Run, Origin)


class Oura:
    """A stub that has two days, and does something once before it answers for readiness."""

    def __init__(self):
        self.before_readiness = None
        self.server = StubServer(self.reply)

    def reply(self, request):
        name = request.path.rsplit("/", 1)[-1]
        if name == "revoke":
            return Reply({}, 500)
        if name == "daily_readiness" and (act := self.before_readiness):
            self.before_readiness = None
            try:
                act()
            finally:
                connection.close()
        days = [str(days_ago(count)) for count in (400, 2)]
        documents = [{"id": f"{name} {day}", "day": day, "score": 80} for day in days]
        return Reply({"data": documents, "next_token": None})

    def connect(self, user):
        return Connection.objects.create(
            user=user,
            oura_user_id=f"oura {user.pk}",
            origin="sandbox",
            access_token=vault.encrypt("a token", user.pk, vault.ACCESS),
            refresh_token=vault.encrypt("another", user.pk, vault.REFRESH),
            expires_at=timezone.now() + timedelta(days=1),
            token_url=f"{self.server.url}/token",
            scopes=sorted({each.scope for each in TYPES.values()}),
        )


@pytest.fixture
def oura(settings, processor_process, at_oura):
    made = Oura()
    settings.OURA_API_URL, settings.PROCESSOR_URL = made.server.url, processor_process.url
    settings.OURA_AUTHORIZE_URL = settings.OURA_TOKEN_URL = f"{made.server.url}/token"
    settings.OURA_REVOKE_URL = f"{made.server.url}/revoke"
    yield made
    made.server.close()


def collect():
    accounts = select_accounts(None, (0, 1))
    return collect_accounts(accounts, list(TYPES), CollectOptions(), "a-run", lambda *_: None)


def rows():
    return sum(model._default_manager.filter(user__username="ana").count() for model in OF_DATA)


def in_browser(path, user, **form):
    browser = Client()
    browser.force_login(user)
    assert browser.post(path, form).status_code == 302


def on_page(what):
    def delete(ana):
        in_browser(f"/account/delete/{what}/", ana, password=PASSWORDS["ana"])

    return delete


def in_admin(ana):
    admin = User.objects.create(username="admin", is_staff=True, is_superuser=True)
    in_browser(f"/admin/accounts/user/{ana.pk}/delete/", admin, post="yes")


def again(ana):
    """Delete the account, and let another person have its name."""
    call_command("delete_person", "ana", "--yes")
    person("ana")


DELETIONS = {
    "data, on the page": on_page("data"),
    "account, on the page": on_page("account"),
    "data, by the command": lambda ana: call_command(
        "delete_person", "ana", "--data-only", "--yes"
    ),
    "account, by the command": lambda ana: call_command("delete_person", "ana", "--yes"),
    "account, in the admin": in_admin,
    "account, whose name is given away": again,
}


@full_only
@pytest.mark.parametrize("how", DELETIONS)
def test_nothing_of_a_run_outlives_the_deletion(oura, ana, how):
    oura.connect(ana)
    before = []

    def delete():
        before.append(rows())
        DELETIONS[how](ana)

    oura.before_readiness = delete
    report = collect()
    assert before[0] > 0
    assert rows() == 0
    assert (report.status, report.problems) == ("ok", [])
    assert not Connection.objects.exists()


def test_run_after_the_deletion_starts_over(oura, ana):
    oura.connect(ana)
    oura.before_readiness = lambda: DELETIONS["data, by the command"](ana)
    collect()
    oura.connect(ana)
    report = collect()
    assert (report.status, {each.objects.count() for each in METRIC_MODELS.values()}) == ("ok", {2})
    assert Connection.objects.get().collected_at is not None


def test_run_stores_nothing_after_disconnecting(oura, ana):
    oura.connect(ana)
    oura.before_readiness = lambda: in_browser("/disconnect/oura/", ana)
    report = collect()
    assert (report.status, report.problems) == ("ok", [])
    counts = {type_: model.objects.count() for type_, model in METRIC_MODELS.items()}
    assert (counts["activity"], counts["readiness"]) == (2, 0)


@pytest.mark.parametrize("what", ["data", "account"])
def test_nobody_is_collected_who_deletes_all_before_their_turn(oura, ana, what):
    oura.connect(ana)
    accounts = select_accounts(None, (0, 1))
    on_page(what)(ana)
    report = collect_accounts(accounts, list(TYPES), CollectOptions(), "a-run", lambda *_: None)
    assert (report.status, report.problems, rows()) == ("ok", [], 0)
    assert not [path for path in oura.server.paths() if "usercollection" in path]
