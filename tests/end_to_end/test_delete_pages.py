"""The pages on which people delete their data and their account, and remove the demo."""

from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from accounts.models import Origin, TokenFamily, User
from ingest.models import Fetch, MetricSource, RejectedDocument, Revision, Run, SleepMetric
from oura.models import Connection
from tests.oura.answering import Reply, StubServer
from tests.worlds import (
    PASSWORDS,
    days_ago,
    fetch_completely,
    person,
    reject_document,
    store_days,
)

pytestmark = pytest.mark.django_db(transaction=True)
OF_DATA = (SleepMetric, MetricSource, RejectedDocument, Revision, Fetch, Run, Origin)


@pytest.fixture
def stored(ana, ben, settings, processor_process):
    """Ana and Ben have sample data, with everything that belongs to them."""
    settings.PROCESSOR_URL = processor_process.url
    for user in (ana, ben):
        fetch_completely(user, days_ago(3), days_ago(1))
        # Of a day that is over everywhere, which has revisions.
        for score in (80, 81):
            store_days(user, [days_ago(3)], source={"daily_sleep": {"a": score}}, score=score)
        reject_document(user, days_ago(2))
        Origin.objects.create(user=user, name="sandbox")
    return ana


def delete(browser, what, name="ana"):
    return browser.post(f"/account/delete/{what}/", {"password": PASSWORDS[name]}, follow=True)


def connect(user):
    return Connection.objects.create(
        user=user, access_token=b"a", refresh_token=b"b", expires_at=timezone.now()
    )


def counts(user):
    return {each.__name__: each.objects.filter(user=user).count() for each in OF_DATA}


def test_data_are_deleted_and_the_account_stays(stored, ben, signed_in):
    of_ben = counts(ben)
    assert all(of_ben.values())
    answer = delete(signed_in, "data")
    assert "Your data have been deleted." in answer.content.decode()
    assert (set(counts(stored).values()), counts(ben)) == ({0}, of_ben)
    assert User.objects.filter(pk=stored.pk).exists()


def test_page_counts_each_day_once(stored, signed_in):
    store_days(stored, map(days_ago, range(5, 1400)), "activity")
    store_days(stored, [days_ago(3)], "readiness")
    for what in "data", "account":
        page = signed_in.get(f"/account/delete/{what}/").content.decode()
        assert "your data of 1,396 days: the days with their earlier versions" in page


def test_page_without_data_counts_nothing(ana, signed_in):
    page = signed_in.get("/account/delete/account/").content.decode()
    assert "This deletes your account. You" in page


def test_deleting_data_ends_the_connection(stored, signed_in):
    connect(stored)
    page = signed_in.get("/account/delete/data/").content.decode()
    assert "your Oura account is disconnected" in page
    assert "Oura did not confirm" in delete(signed_in, "data").content.decode()
    assert not Connection.objects.exists()


GOES, COMES_BACK = "so that the data don't come back", "This server fetches your data by itself"
MAY_COME_BACK = "If this server has its own access to your Oura data"


@pytest.mark.parametrize(
    ("key", "user", "said"),
    [("key", "Ana", COMES_BACK), ("", "ana", MAY_COME_BACK), ("key", "ben", GOES)],
)
def test_page_says_whether_a_key_fetches_again(ana, signed_in, settings, key, user, said):
    settings.OURA_API_KEY, settings.OURA_USER = key, user
    connect(ana)
    page = unescape(signed_in.get("/account/delete/data/").content.decode())
    assert [each for each in (GOES, COMES_BACK, MAY_COME_BACK) if each in page] == [said]
    page = signed_in.get("/account/").content.decode()
    assert ("and fetches no new days" in page) == (said == GOES)


def test_own_ring_may_be_connected_after_sample_data(stored, signed_in, settings):
    settings.OURA_CLIENT_ID, settings.OURA_AUTHORIZE_URL = "id", "https://oura.example.org/a"
    settings.OURA_TOKEN_URL = settings.OURA_REVOKE_URL = "https://oura.example.org/t"
    assert "/connect/oura/" not in signed_in.get("/account/").content.decode()
    delete(signed_in, "data")
    answer = signed_in.post("/connect/oura/")
    assert answer.headers["Location"].startswith("https://oura.example.org/a")


def test_account_is_deleted_with_all_that_is_its_own(stored, ben, signed_in):
    connect(stored)
    TokenFamily.objects.create(user=stored, current="0" * 32, expires_at=timezone.now())
    answer = delete(signed_in, "account")
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")
    assert "Your account has been deleted" in answer.content.decode()
    assert list(User.objects.all()) == [ben]
    assert set(counts(ben).values()) != {0}
    assert not TokenFamily.objects.exists() and not Connection.objects.exists()


@pytest.mark.parametrize("what", ["data", "account"])
def test_wrong_password_deletes_nothing(stored, signed_in, what):
    before = counts(stored)
    answer = signed_in.post(f"/account/delete/{what}/", {"password": "wrong"})
    assert "This is not your password." in answer.content.decode()
    assert (counts(stored), User.objects.count()) == (before, 2)


@pytest.mark.parametrize("what", ["data", "account"])
def test_asking_deletes_nothing(stored, signed_in, what):
    before = counts(stored)
    assert signed_in.get(f"/account/delete/{what}/").status_code == 200
    assert counts(stored) == before


@pytest.mark.parametrize("what", ["data", "account"])
def test_nothing_is_deleted_without_the_processor(stored, signed_in, settings, what):
    settings.PROCESSOR_URL = "http://127.0.0.1:9"
    connect(stored)
    before = counts(stored)
    assert "Deleting did not finish" in delete(signed_in, what).content.decode()
    assert counts(stored) == before
    assert Connection.objects.exists()


@pytest.mark.parametrize("what", ["data", "account"])
def test_unconfirmed_end_is_said_though_deleting_does_not_finish(stored, signed_in, settings, what):
    replies = iter([Reply(b"", 204), Reply({"detail": "Not now."}, 503)])
    processor = StubServer(lambda request: next(replies))
    settings.PROCESSOR_URL = processor.url
    connect(stored)
    page = delete(signed_in, what).content.decode()
    processor.close()
    assert "Deleting did not finish" in page and "Oura did not confirm" in page
    assert not Connection.objects.exists()


def test_account_page_leads_to_both(signed_in):
    page = signed_in.get("/account/").content.decode()
    assert '<a href="/account/delete/data/">' in page
    assert '<a href="/account/delete/account/">' in page


def test_account_page_says_what_the_download_has(signed_in):
    page = signed_in.get("/account/").content.decode()
    assert "a ZIP file with all your days and your profile." in page


# The demo -----------------------------------------------------------------------------------------


@pytest.fixture
def demo(stored, admin):
    """The sample account, beside that of an administrator with real data."""
    Origin.objects.filter(user=stored).update(name="oura")
    made = person("demo", "ben")
    store_days(made, [days_ago(1)])
    Origin.objects.create(user=made, name="sandbox")
    return made


def test_administrator_with_real_data_removes_the_demo(demo, stored, admin):
    of_ana = counts(stored)
    page = admin.get("/account/").content.decode()
    assert "The sample account demo is still here." in page
    question = admin.get("/account/delete/demo/").content.decode()
    assert "1 day" in question and "not made again as long as there are real data" in question
    admin.post("/account/delete/demo/")
    assert not User.objects.filter(username="demo").exists()
    assert counts(stored) == of_ana
    assert "sample account" not in admin.get("/account/").content.decode().split("status")[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda ana, demo: User.objects.filter(pk=ana.pk).update(is_superuser=False),
        lambda ana, demo: Origin.objects.filter(user=ana).update(name="sandbox"),
        lambda ana, demo: Origin.objects.filter(user=demo).update(name="oura"),
    ],
    ids=["not an administrator", "no real data", "not a sample"],
)
def test_nobody_else_may_remove_the_demo(demo, stored, admin, change):
    change(stored, demo)
    assert "is still here" not in admin.get("/account/").content.decode()
    assert admin.post("/account/delete/demo/").status_code == 404
    assert User.objects.filter(username="demo").exists()


@pytest.mark.parametrize("what", ["data", "account", "demo"])
@pytest.mark.parametrize("method", ["delete", "put", "patch"])
def test_other_methods_delete_nothing(signed_in, ana, what, method):
    assert getattr(signed_in, method)(f"/account/delete/{what}/").status_code == 405
    assert User.objects.filter(pk=ana.pk).exists()


def test_only_administrator_is_warned(admin):
    page = admin.get("/account/delete/account/").content.decode()
    assert "You are the only administrator" in page


def test_history_of_the_admin_forgets_the_name(stored, ben, signed_in):
    of_user = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=ben,
        content_type=of_user,
        object_id=str(stored.pk),
        object_repr="ana",
        action_flag=2,
    )
    delete(signed_in, "account")
    assert LogEntry.objects.get().object_repr == "a deleted account"
