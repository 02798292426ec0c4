"""Who may use which route: every route of both services with every credential."""

import re
import time

import pytest
from django.contrib.auth.models import Permission
from django.urls import get_resolver

from accounts.models import User
from accounts.personal_tokens import create_token
from accounts.tokens import AccessToken
from tests.attacks.attacking import (
    CONTROL_TOKEN,
    INGEST,
    METRICS_TOKEN,
    bearer,
    head,
)
from tests.scale import full_only, scaled
from tests.worlds import store_days

# Sent with each request. `session` is a browser of a person, `staff` one of staff without
# permissions.
CREDENTIALS = (
    "nobody",
    "person",
    "other",
    "expired",
    "refresh",
    "junk",
    "personal",
    "revoked",
    "session",
    "staff",
    "ingest",
    "control",
    "metrics",
)
# Those that a quick run tries on each page of the admin.
FEW = ("nobody", "person", "session", "staff", "ingest")
TOKENS = ("person", "other", "personal")
SESSIONS = ("session", "staff")


def only(names, status, others):
    """Return the status by credential: that of some, and that of all others."""
    return {name: status if name in names else others for name in CREDENTIALS}


# The status of a GET (or the method that stands before the path) by credential.
EVERYBODY = only(CREDENTIALS, 200, None)
REDIRECT = only(CREDENTIALS, 302, None)
NOT_VALID = only(CREDENTIALS, 404, None)
BAD_BODY = only(CREDENTIALS, 400, None)
READ = only((*TOKENS, *SESSIONS), 200, 401)
PAGE = only(SESSIONS, 200, 302)
FORM = only((), None, 403)
ADMIN = only(("staff",), 403, 302)
ADMIN_HOME = only(("staff",), 200, 302)
INGESTING = only(("ingest",), 200, 401)
INGESTING_NOTHING = only(("ingest",), 400, 401)
CONTROL = only(("control",), 404, 401)
CONTROL_NOTHING = only(("control",), 400, 401)
FIGURES = only(("metrics",), 200, 401)

LISTS = (
    "accounts/origin",
    "accounts/personaltoken",
    "accounts/user",
    "ingest/activitymetric",
    "ingest/fetch",
    "ingest/readinessmetric",
    "ingest/rejecteddocument",
    "ingest/revision",
    "ingest/run",
    "ingest/sleepmetric",
    "oura/connection",
)
NO_ROW = [("{}history/", name) for name in LISTS if name != "accounts/user"]
OF_A_LIST = ("", "add/", "{}history/", "{}delete/", "{}change/", "{}")

# By pattern: a path that fits it, and what each credential gets. `{id}` is the number of the
# person, and a method other than GET stands before the path.
API = {
    "api/v1/sleep": ("/api/v1/sleep", READ),
    "api/v1/activity": ("/api/v1/activity", READ),
    "api/v1/readiness": ("/api/v1/readiness?format=csv", READ),
    "api/v1/dashboard": ("/api/v1/dashboard", READ),
    "api/v1/summaries": ("/api/v1/summaries", READ),
    "api/v1/coverage": ("/api/v1/coverage", READ),
    "api/v1/days/<str:day>": ("/api/v1/days/2026-03-01", READ),
    "api/v1/marks": ("/api/v1/marks", READ),
    "api/v1/series/<str:name>": ("/api/v1/series/met", READ),
    "api/v1/nights/<str:day>": ("/api/v1/nights/2026-03-01", READ),
    "api/v1/trends": ("/api/v1/trends", READ),
    "api/v1/types": ("/api/v1/types", READ),
    "api/v1/export": ("/api/v1/export", READ),
    "api/v1/": ("/api/v1/", EVERYBODY),
    "api/": ("/api/", REDIRECT),
    "api/schema/": ("/api/schema/", EVERYBODY),
    "api/docs/": ("/api/docs/", EVERYBODY),
    "auth/login": ("POST /auth/login", BAD_BODY),
    "auth/refresh": ("POST /auth/refresh", BAD_BODY),
    "auth/logout": ("POST /auth/logout", BAD_BODY),
    "": ("/", PAGE),
    "days/": ("/days/", REDIRECT),
    "days/<str:day>/": ("/days/2026-03-01/", PAGE),
    "nights/": ("/nights/", REDIRECT),
    "nights/<str:day>/": ("/nights/2026-03-01/", PAGE),
    "trends/": ("/trends/", PAGE),
    "calendar/": ("/calendar/", PAGE),
    "weeks/": ("/weeks/", PAGE),
    "account/": ("/account/", PAGE),
    "account/delete/": ("/account/delete/", REDIRECT),
    "account/delete/data/": ("/account/delete/data/", PAGE),
    "account/delete/account/": ("/account/delete/account/", PAGE),
    "account/delete/demo/": ("/account/delete/demo/", only(SESSIONS, 404, 302)),
    "account/collect/": ("POST /account/collect/", FORM),
    "account/password/": ("/account/password/", PAGE),
    "account/preferences/": ("/account/preferences/", PAGE),
    "account/reset/<str:uidb64>/<str:token>/": ("/account/reset/a/b/", NOT_VALID),
    "account/tokens/": ("/account/tokens/", PAGE),
    "account/tokens/<int:pk>/revoke/": ("POST /account/tokens/1/revoke/", FORM),
    "account/sign-out/": ("POST /account/sign-out/", FORM),
    "accounts/login/": ("/accounts/login/", only(SESSIONS, 302, 200)),
    "accounts/logout/": ("POST /accounts/logout/", FORM),
    "connect/oura/": ("POST /connect/oura/", FORM),
    "connect/oura/callback": ("/connect/oura/callback?state=a&code=b", only(SESSIONS, 400, 302)),
    "connect/oura/register": ("/connect/oura/register", only(SESSIONS, 200, 302)),
    "disconnect/oura/": ("POST /disconnect/oura/", FORM),
    "favicon.ico": ("/favicon.ico", REDIRECT),
    "robots.txt": ("/robots.txt", EVERYBODY),
    "manifest.webmanifest": ("/manifest.webmanifest", EVERYBODY),
    "admin/": ("/admin/", ADMIN_HOME),
    "admin/login/": ("/admin/login/", only(("staff",), 302, 200)),
    "admin/logout/": ("POST /admin/logout/", FORM),
    "admin/password_change/": ("/admin/password_change/", REDIRECT),
    "admin/password_change/done/": ("/admin/password_change/done/", ADMIN_HOME),
    "admin/autocomplete/": ("/admin/autocomplete/", ADMIN),
    "admin/jsi18n/": ("/admin/jsi18n/", ADMIN_HOME),
    "admin/r/<path:content_type_id>/<path:object_id>/": (
        "/admin/r/1/1/",
        only(("staff",), 404, 302),
    ),
    "admin/coverage/": ("/admin/coverage/", ADMIN),
    "admin/coverage/<int:pk>/": ("/admin/coverage/{id}/", ADMIN),
    "admin/accounts/user/<id>/password/": ("/admin/accounts/user/{id}/password/", ADMIN),
    # A list of the models that one may see: none.
    "admin/^(?P<app_label>…)/$": ("/admin/accounts/", only(("staff",), 404, 302)),
    "admin/(?P<url>.*)$": ("/admin/nothing/", only(("staff",), 404, 302)),
    **{
        f"admin/{name}/{end.format('<path:object_id>/')}": (
            # No row of the others has this number, whatever other tests stored.
            f"/admin/{name}/{end.format('{id}/' if name == 'accounts/user' else '2147483647/')}",
            # The address of a row leads to its form; without a row, history leads back.
            REDIRECT if end == "{}" or (end, name) in NO_ROW else ADMIN,
        )
        for name in LISTS
        for end in OF_A_LIST
    },
}
PROCESSOR = {
    "api/v1/": ("/api/v1/", EVERYBODY),
    "api/v1/ingest": ("POST /api/v1/ingest", INGESTING_NOTHING),
    "api/v1/metrics/coverage": ("/api/v1/metrics/coverage?user=ana", INGESTING),
    "api/v1/metrics/ledger": ("/api/v1/metrics/ledger?user=ana", INGESTING),
    "api/v1/metrics/<str:type_>": ("/api/v1/metrics/sleep?user=ana", INGESTING),
    "api/v1/reports": ("POST /api/v1/reports", INGESTING_NOTHING),
    "api/v1/runs": ("POST /api/v1/runs", INGESTING_NOTHING),
    "api/v1/rejected/<int:pk>/retry": ("POST /api/v1/rejected/1/retry", CONTROL),
    "api/v1/people/<str:user>": ("DELETE /api/v1/people/nobody", CONTROL_NOTHING),
    "api/schema/": ("/api/schema/", EVERYBODY),
}
# Answered before any route.
PROBES = {
    "health": ("/health", EVERYBODY),
    "health/ready": ("/health/ready", EVERYBODY),
    "metrics": ("/metrics", FIGURES),
}
TABLE = {"api": API | PROBES, "processor": PROCESSOR | PROBES}


def patterns(resolver, prefix=""):
    """Yield all patterns of a URLConf. Names of apps in them are left out."""
    for each in resolver.url_patterns:
        text = prefix + str(each.pattern)
        if hasattr(each, "url_patterns"):
            yield from patterns(each, text)
        else:
            yield re.sub(r"(\?P<app_label>)[\w|]+", r"\1…", text)


@pytest.fixture(scope="module")
def of_service(api_of_all, processor_of_all):
    return {"api": api_of_all, "processor": processor_of_all}


@pytest.fixture
def headers(api, processor, ana, ben, log_in, browse):
    """The headers that each credential is sent in."""
    store_days(ana, ["2026-03-01"], score=81)
    tokens = log_in(ana)
    expired = AccessToken.for_user(ana)
    expired["version"] = ana.token_version
    expired["exp"] = int(time.time()) - 60
    revoked = create_token(ana, "another program", None)
    ana.personal_tokens.all().delete()
    session = browse(ana).cookies
    User.objects.filter(pk=ben.pk).update(is_staff=True)
    browsers = {"session": session, "staff": browse(ben).cookies}
    return {
        "nobody": {},
        "person": bearer(tokens["access"]),
        "other": bearer(log_in(ben)["access"]),
        "expired": bearer(str(expired)),
        "refresh": bearer(tokens["refresh"]),
        "junk": bearer("junk"),
        "personal": bearer(create_token(ana, "a program", None)),
        "revoked": bearer(revoked),
        "ingest": INGEST,
        "control": bearer(CONTROL_TOKEN),
        "metrics": bearer(METRICS_TOKEN),
        **{
            name: {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
            for name, cookies in browsers.items()
        },
    }


def split(path, person):
    method, _, rest = path.rpartition(" ")
    return method or "GET", rest.replace("{id}", str(person.pk))


def statuses(service, table, headers, person, few=False):
    """Return what each credential gets, by the path, where it is not what the table says."""
    wrong = {}
    for path, expected in table.values():
        method, address = split(path, person)
        names = FEW if few and address.startswith("/admin/") else CREDENTIALS
        for name in names:
            status = service.ask(method, address, **headers[name]).status
            if status != expected[name]:
                wrong[f"{path} as {name}"] = f"{status} instead of {expected[name]}"
    return wrong


@pytest.mark.parametrize("name", ["api", "processor"])
def test_every_route_is_in_the_table(name):
    listed = set(TABLE[name]) - set(PROBES)
    assert sorted(listed) == sorted(set(patterns(get_resolver(f"myhealth.urls.{name}"))))


def test_api_lets_in_only_who_may(api, headers, ana):
    assert statuses(api, TABLE["api"], headers, ana, few=scaled(True, False)) == {}


def test_processor_lets_in_only_who_may(processor, headers, ana):
    assert statuses(processor, TABLE["processor"], headers, ana) == {}


def test_routes_of_one_service_are_404_on_another(api, processor, headers, ana):
    tables = ((api, PROCESSOR, API), (processor, API, PROCESSOR))
    for service, table, own in tables:
        for pattern, (path, _) in table.items():
            if pattern not in own:
                method, address = split(path, ana)
                for name in ("nobody", "person", "ingest", "control"):
                    answer = service.ask(method, address, **headers[name])
                    if address.startswith("/admin/"):
                        continue
                    assert answer.status in (403, 404), (path, name, answer.status)


@full_only
def test_writing_to_any_route_without_credentials_does_nothing(api, processor, headers, ana):
    before = User.objects.count(), ana.password
    for service, table in ((api, API), (processor, PROCESSOR)):
        for path, _ in table.values():
            _, address = split(path, ana)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                for name in ("nobody", "junk"):
                    status = service.ask(method, address, b"{}", **headers[name]).status
                    assert 300 <= status < 500, (method, path, name, status)
    ana.refresh_from_db()
    assert (User.objects.count(), ana.password) == before


def test_personal_token_writes_nowhere(api, headers, ana):
    """Where a route takes no credentials, it is as if there were none."""
    before = User.objects.count(), ana.password
    for path, _ in API.values():
        _, address = split(path, ana)
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            status = api.ask(method, address, b"{}", **headers["personal"]).status
            expected = (403,) if address.startswith("/api/v1/") else range(300, 500)
            assert status in expected or address == "/api/v1/", (method, path, status)
    ana.refresh_from_db()
    assert (User.objects.count(), ana.password) == before


def test_each_person_reads_their_own_days_only(api, headers, ana):
    asked = "/api/v1/sleep?start=2026-03-01&end=2026-03-01"
    assert len(api.ask("GET", asked, **headers["person"]).json()) == 1
    assert api.ask("GET", asked, **headers["other"]).json() == []


@pytest.mark.parametrize("name", ["api", "processor"])
def test_chunked_bodies_are_411_on_every_route(name, of_service, headers, ana):
    service, wrong = of_service[name], {}
    for path, _ in TABLE[name].values():
        _, address = split(path, ana)
        sent = {**headers["ingest"], "Content-Type": "application/json"}
        began = head("POST", address, **sent, Transfer_Encoding="chunked")
        status = service.status_of(began + b"2\r\n{}\r\n0\r\n\r\n")
        if status != 411:
            wrong[address] = status
    assert wrong == {}


def test_permission_to_view_opens_one_list_only(api, headers, ana, ben):
    permission = Permission.objects.get(codename="view_sleepmetric")
    ben.user_permissions.add(permission)
    answers = {name: api.ask("GET", f"/admin/{name}/", **headers["staff"]).status for name in LISTS}
    assert [name for name, status in answers.items() if status != 403] == ["ingest/sleepmetric"]
