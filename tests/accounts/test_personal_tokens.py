"""Personal tokens: how people create and revoke them, and what programs can do with them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import FailedSignIn, PersonalToken, User
from accounts.personal_tokens import MOST_TOKENS, create_token
from tests.dashboard.html import text_of
from tests.worlds import PASSWORDS, store_days

pytestmark = pytest.mark.django_db
PAGE = "/account/tokens/"
SHAPE = r"mh_[A-Za-z0-9_-]{43}"
UNKNOWN = "mh_" + "A" * 43


@pytest.fixture
def token(ana):
    return create_token(ana, "Home Assistant", None)


def ask(token, path="sleep", method="get", **headers):
    # As the server passes it on: Django's client would encode letters that are not ASCII.
    sent = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    return getattr(Client(), method)(f"/api/v1/{path}", headers=headers, **sent)


def ends(token):
    return ask(token).status_code == 401


def fields(name="Home Assistant", days="365", password=PASSWORDS["ana"]):
    return {"name": name, "days": days, "password": password}


def create(browser, **given):
    """Create a token on the page; return it and the page."""
    answer = browser.post(PAGE, fields(**given))
    page = answer.content.decode()
    found = re.search(SHAPE, page)
    return (found[0] if found else None), page


def make_token(capsys, *arguments):
    call_command("make_token", *arguments)
    return capsys.readouterr().out


def later(**delta):
    return time_machine.travel(datetime.now(UTC) + timedelta(**delta), tick=False)


# Reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["sleep", "sleep?format=csv", "dashboard", "coverage", "types", "marks", "trends"]
)
def test_program_reads_as_with_access_token(ana, api, token, path):
    store_days(ana, ["2026-03-01"], score=81)
    mine, theirs = ask(token, path), api.get(path)
    assert (mine.status_code, mine.content) == (200, theirs.content)
    for header in ("ETag", "Vary", "Cache-Control", "Content-Type"):
        assert mine.headers[header] == theirs.headers[header]
    assert ask(token, path, **{"If-None-Match": mine.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Bearer   "])
def test_scheme_of_tokens_may_be_written_otherwise(ana, api, token, scheme):
    store_days(ana, ["2026-03-01"])
    for each in (token, api.access):
        for _ in range(2):
            headers = {"Authorization": f"{scheme}{each}"}
            answer = Client().get("/api/v1/sleep?start=2026-03-01&end=2026-03-01", headers=headers)
            assert (answer.status_code, len(answer.json())) == (200, 1)
            # A session is none of its business.
            assert "Accept-Encoding" not in answer.headers["Vary"]


def test_program_reads_days_of_its_person_alone(ben, token):
    store_days(ben, ["2026-03-01"], score=81)
    assert ask(token, "sleep?start=2026-03-01&end=2026-03-01").json() == []


def test_page_of_the_api_is_read_as_well(token):
    assert ask(token, Accept="text/html").status_code == 200


@pytest.mark.parametrize("method", ["head", "options"])
def test_other_safe_methods_are_answered(token, method):
    assert ask(token, method=method).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_writing_is_403_with_a_sentence(token, method):
    answer = ask(token, method=method)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "A personal token may only read, with GET under /api/v1/."
    assert ask(UNKNOWN, method=method).status_code == 401


@pytest.mark.parametrize("path", ["/", "/account/", PAGE, "/admin/", "/admin/accounts/user/"])
def test_token_opens_no_page(token, path):
    answer = Client().get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 302
    assert "/login/?next=" in answer.headers["Location"]


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_token_is_no_refresh_token(token, path):
    sent = {"Authorization": f"Bearer {token}"}
    answer = Client().post(path, {"refresh": token}, content_type="application/json", headers=sent)
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "key", "Authorization"])
def test_token_in_an_address_is_not_accepted(token, name):
    for value in (token, f"Bearer {token}"):
        assert Client().get("/api/v1/sleep", {name: value}).status_code == 401


def test_wrong_tokens_have_one_answer(ana, token):
    expired = create_token(ana, "expired", 1)
    wrong = [
        token.swapcase().replace("MH_", "mh_"),
        UNKNOWN,
        "mh_",
        "mh_short",
        token + "A",
        token[:-1],
        f"mh_{token}",
    ]
    with later(days=2):
        answers = [ask(each) for each in (expired, *wrong, "mh_" + "é" * 43, f"{token} {token}")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert "/account/tokens/" in answers[0].json()["detail"]
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}


def test_request_without_token_says_where_to_get_one(ana):
    answer = Client().get("/api/v1/sleep")
    assert answer.status_code == 401
    assert "/account/tokens/" in answer.json()["detail"]


def test_openapi_document_names_personal_tokens(db):
    document = Client().get("/api/schema/?format=json").json()
    scheme = document["components"]["securitySchemes"]["personalToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert {"personalToken": []} in document["paths"]["/api/v1/sleep"]["get"]["security"]


# What a request costs -----------------------------------------------------------------------------


def statements(work):
    with CaptureQueriesContext(connection) as queries:
        work()
    return [query["sql"] for query in queries]


@pytest.mark.parametrize(("token", "most"), [(UNKNOWN, 1), ("mh_short", 0), ("mh_" + "é" * 43, 0)])
def test_wrong_token_costs_one_statement_at_most(ana, token, most):
    assert len(statements(lambda: ask(token))) == most


def test_token_is_looked_up_by_an_index(token):
    (sql,) = statements(lambda: ask(UNKNOWN))
    values = [b"\0" * 32, datetime.now(UTC)]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql, values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "accounts_personaltoken_digest" in plan


def test_use_is_noted_once_a_day(token):
    assert len(statements(lambda: ask(token, "sleep?fields=day"))) == 4
    assert len(statements(lambda: ask(token, "sleep?fields=score"))) == 3
    assert PersonalToken.objects.get().last_used_at == datetime.now(UTC).date()
    with later(days=1):
        ask(token)
        assert PersonalToken.objects.get().last_used_at == datetime.now(UTC).date()


READ_ONLY = "SET default_transaction_read_only = on"
FULL_DISK = (
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$;"
    "CREATE TRIGGER fail BEFORE UPDATE ON accounts_personaltoken EXECUTE FUNCTION fail()"
)


@pytest.fixture
def unwritable(transactional_db, token):
    def make(sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)

    yield make
    make("SET default_transaction_read_only = off")
    make("DROP FUNCTION IF EXISTS fail() CASCADE")


@pytest.mark.parametrize("sql", [READ_ONLY, FULL_DISK], ids=["read-only", "full"])
def test_reading_works_where_nothing_can_be_written(unwritable, token, sql):
    unwritable(sql)
    assert ask(token).status_code == 200
    assert PersonalToken.objects.get().last_used_at is None


# The end of a token -------------------------------------------------------------------------------


def test_token_ends_when_it_expires(ana):
    token = create_token(ana, "a month", 30)
    with later(days=29, hours=23):
        assert not ends(token)
    with later(days=30, seconds=1):
        assert ends(token)


def test_token_without_end_is_valid_for_years(token):
    with later(days=4000):
        assert not ends(token)


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"token_version": 1}, {"password": "another"}]
)
def test_token_ends_at_once_with_change_elsewhere(ana, token, change):
    assert not ends(token)
    User.objects.filter(pk=ana.pk).update(**change)
    assert ends(token)


def test_enabling_an_account_again_revives_no_token(ana, token):
    for is_active in (False, True):
        User.objects.filter(pk=ana.pk).update(is_active=is_active)
    assert ends(token)


def test_token_ends_with_the_account(ana, token):
    ana.delete()
    assert ends(token)


def test_signing_out_everywhere_ends_tokens(signed_in, token):
    signed_in.post("/account/sign-out/")
    assert ends(token)


def test_own_new_password_ends_tokens(signed_in, token):
    new = "a new one for ana's account"
    present = {"old_password": PASSWORDS["ana"]}
    signed_in.post("/account/password/", present | {"new_password1": new, "new_password2": new})
    assert ends(token)
    assert "You have none." in signed_in.get(PAGE).content.decode()


def test_revoked_token_ends_at_once(signed_in, token):
    assert not ends(token)
    revoke = f"{PAGE}{PersonalToken.objects.get().pk}/revoke/"
    answer = signed_in.post(revoke, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "Revoked." in answer.content.decode()
    assert ends(token)
    assert "had already ended" in signed_in.post(revoke, follow=True).content.decode()


def test_token_of_another_person_cant_be_revoked(signed_in, ben):
    token = create_token(ben, "of ben", None)
    answer = signed_in.post(f"{PAGE}{PersonalToken.objects.get().pk}/revoke/", follow=True)
    assert "had already ended" in answer.content.decode()
    assert not ends(token)


def test_address_of_the_revoke_button_leads_back(signed_in, token):
    revoke = f"{PAGE}{PersonalToken.objects.get().pk}/revoke/"
    assert signed_in.get(revoke).headers["Location"] == "/account/"
    assert not ends(token)


# The page -----------------------------------------------------------------------------------------


def test_account_page_leads_to_tokens(signed_in):
    assert f'href="{PAGE}"' in signed_in.get("/account/").content.decode()


def test_new_token_is_shown_once_with_examples(signed_in):
    token, page = create(signed_in)
    assert not ends(token)
    assert page.count(token) == 4
    assert "curl -H" in page and "storage_options=" in page
    assert 'value_template: "{{ value_json.latest_sleep.score }}"' in page
    assert token not in signed_in.get(PAGE).content.decode()


def test_page_lists_tokens_with_their_dates(signed_in):
    User.objects.update(time_zone="Asia/Tokyo")
    with time_machine.travel("2026-02-28T20:00:00Z", tick=False):
        create(signed_in, name="A sheet", days="30")
        page = text_of(signed_in.get(PAGE).content.decode())
        assert "A sheet Created 1 March 2026 Last used never Expires 31 March 2026" in page


def test_token_may_never_expire(signed_in):
    create(signed_in, days="")
    assert PersonalToken.objects.get().expires_at is None


def test_only_a_hash_is_stored(token):
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_personaltoken AS t")
        ((row,),) = cursor.fetchall()
    assert token not in row
    assert token.removeprefix("mh_").encode().hex() not in row


@pytest.mark.parametrize(
    "wrong",
    [
        fields(name=""),
        fields(name=" "),
        fields(name="x" * 61),
        fields(name="a\nb"),
        fields(name="a\0b"),
        fields(name="\u202eabc"),
        fields(days="31"),
        fields(days="-1"),
        fields(password=""),
        fields(password="wrong"),
        {},
    ],
)
def test_wrong_form_creates_nothing(signed_in, wrong):
    answer = signed_in.post(PAGE, wrong)
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert not PersonalToken.objects.exists()


def test_names_are_unique_per_person(signed_in, ben):
    create_token(ben, "Home Assistant", None)
    assert create(signed_in)[0]
    token, page = create(signed_in)
    assert token is None
    assert "You have a token with this name" in page


def test_name_is_free_again_after_the_end(signed_in):
    create(signed_in, days="30")
    with later(days=31):
        signed_in.force_login(User.objects.get())
        assert create(signed_in)[0]
    assert PersonalToken.objects.count() == 1


def test_person_has_twenty_tokens_at_most(signed_in, ana):
    for number in range(MOST_TOKENS):
        create_token(ana, str(number), None)
    token, page = create(signed_in)
    assert token is None
    assert "revoke one first" in page
    assert PersonalToken.objects.count() == MOST_TOKENS == 20


def test_wrong_passwords_are_counted(signed_in):
    for _ in range(5):
        signed_in.post(PAGE, fields(password="wrong"))
    assert FailedSignIn.objects.count() == 5
    assert signed_in.post(PAGE, fields()).status_code == 429
    assert not PersonalToken.objects.exists()


def test_creating_undoes_no_revocation_meanwhile(signed_in, ana, while_hashing):
    while_hashing(lambda: User.objects.filter(pk=ana.pk).update(token_version=1))
    assert "nothing was saved" in signed_in.post(PAGE, fields()).content.decode()
    assert not PersonalToken.objects.exists()


def test_tokens_page_requires_signing_in(ana, token):
    revoke = f"{PAGE}{PersonalToken.objects.get().pk}/revoke/"
    for answer in (Client().get(PAGE), Client().post(PAGE, fields()), Client().post(revoke)):
        assert answer.headers["Location"].startswith("/accounts/login/")
    assert PersonalToken.objects.count() == 1


def test_tokens_page_requires_csrf_token(ana, token):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ana)
    revoke = f"{PAGE}{PersonalToken.objects.get().pk}/revoke/"
    assert [strict.post(path, fields()).status_code for path in (PAGE, revoke)] == [403, 403]
    assert PersonalToken.objects.count() == 1


def test_name_is_escaped_on_the_page(signed_in):
    _, page = create(signed_in, name="<b>&")
    assert "<b>" not in page and "&lt;b&gt;" in page


# The command --------------------------------------------------------------------------------------


def test_command_prints_a_token_alone(ana, capsys):
    said = make_token(capsys, "ANA", "--name", "a script")
    assert re.fullmatch(SHAPE + "\n", said)
    assert not ends(said.strip())
    assert PersonalToken.objects.get().name == "a script"


def test_command_gives_a_token_days(ana, capsys):
    token = make_token(capsys, "ana", "--name", "a script", "--days", "7").strip()
    with later(days=8):
        assert ends(token)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody", "--name", "x"], "no account"),
        (["\udcff", "--name", "x"], "no account"),
        (["ana", "--name", "x", "--days", "0"], "--days must be"),
        (["ana", "--name", "x", "--days", "99999999999"], "--days must be"),
        (["ana", "--name", ""], "--name:"),
        (["ana", "--name", "x" * 61], "--name:"),
        (["ana", "--name", "a\0b"], "--name:"),
        (["ana", "--name", "\udcff"], "--name:"),
        (["ana", "--name", "Home Assistant"], "You have a token with this name"),
    ],
)
def test_command_says_what_is_wrong(ana, token, capsys, arguments, words):
    with pytest.raises(CommandError, match=words) as raised:
        make_token(capsys, *arguments)
    assert raised.value.returncode == 2
    assert PersonalToken.objects.count() == 1


def test_command_refuses_disabled_account(ana, capsys):
    User.objects.filter(pk=ana.pk).update(is_active=False)
    with pytest.raises(CommandError, match="disabled"):
        make_token(capsys, "ana", "--name", "x")


# The admin ----------------------------------------------------------------------------------------

ADMIN = "/admin/accounts/personaltoken/"


def test_admin_lists_tokens_without_hash(admin, token):
    digest = bytes(PersonalToken.objects.get().digest)
    pk = PersonalToken.objects.get().pk
    for path in (ADMIN, f"{ADMIN}{pk}/change/"):
        page = admin.get(path).content.decode()
        assert "Home Assistant" in page
        assert digest.hex() not in page and str(digest) not in page
    assert admin.get(f"{ADMIN}add/").status_code == 403
    assert admin.post(f"{ADMIN}{pk}/change/", {"name": "other"}).status_code == 403


def test_admin_revokes_by_deleting(admin, token):
    # As an administrator, ana still has the token from before.
    assert not ends(token)
    pk = PersonalToken.objects.get().pk
    assert admin.post(f"{ADMIN}{pk}/delete/", {"post": "yes"}).status_code == 302
    assert ends(token)


def test_staff_dont_revoke_tokens_of_superusers(ana, ben, token):
    User.objects.filter(pk=ana.pk).update(is_superuser=True)
    User.objects.filter(pk=ben.pk).update(is_staff=True)
    names = ["view_personaltoken", "delete_personaltoken"]
    ben.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = Client()
    browser.force_login(ben)
    pk = PersonalToken.objects.get().pk
    assert browser.post(f"{ADMIN}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in browser.get(ADMIN).content.decode()
    assert not ends(token)
