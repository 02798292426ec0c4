"""Limits on guessing passwords."""

import copy
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
import time_machine
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import attempts, passwords
from accounts.models import FailedSignIn, KnownNetwork, User
from accounts.passwords import PasswordHasher
from tests.conftest import Api
from tests.processes import PATIENCE, Service, database_environment, wait_until
from tests.worlds import PASSWORDS, person

pytestmark = pytest.mark.django_db
HOME, AWAY = "198.51.100.7", "203.0.113.9"


def wrong(name="ana", address=HOME):
    """Return the status of a try with a wrong password."""
    return Api(address).log_in(name, "wrong").status_code


def right(name="ana", address=HOME):
    return Api(address).log_in(name).status_code


def sign_in(browser, password=PASSWORDS["ana"], path="/accounts/login/", **more):
    return browser.post(path, {"username": "ana", "password": password}, **more)


def browser_of_ana(path="/accounts/login/"):
    """Return a browser that ana has signed in with before; her session has ended."""
    browser = Client(REMOTE_ADDR=HOME)
    assert sign_in(browser, path=path).status_code == 302
    del browser.cookies["sessionid"]
    return browser


def pass_time(**time):
    for model in (FailedSignIn, KnownNetwork):
        model.objects.update(at=F("at") - timedelta(**time))


def add_failures(count, **columns):
    """Add failures like the last one, but for some columns."""
    last = FailedSignIn.objects.latest("at")
    for name, value in columns.items():
        setattr(last, name, value)
    last.pk = None
    FailedSignIn.objects.bulk_create(copy.copy(last) for _ in range(count))


def attack(name="ana"):
    """Let an account have a hundred failures from everywhere, the last one minutes ago."""
    wrong(name, "192.0.2.1")
    add_failures(99, source="192.0.2.2", network="192.0.2.2", block="192.0.2.2")
    pass_time(minutes=5)


# One account from one network ---------------------------------------------------------------------


def test_sixth_try_is_refused_even_with_right_password(ana):
    assert [wrong() for _ in range(5)] == [401] * 5
    assert right() == 429


def test_right_password_is_refused_without_ending_the_wait(ana):
    assert [wrong() for _ in range(5)] == [401] * 5
    assert [right(), right(), wrong()] == [429] * 3


def test_limit_is_per_account_and_network(ana, ben):
    for _ in range(6):
        wrong()
    assert right("ben") == 200
    assert right(address=AWAY) == 200


def test_loopback_is_no_exception(ana):
    assert [wrong(address="127.0.0.1") for _ in range(6)] == [401] * 5 + [429]


@pytest.mark.parametrize("names", [["ana", "ANA"], ["m\u0131ni", "MINI", "m\u0130ni", "mini"]])
@pytest.mark.parametrize("exists", [True, False])
def test_all_spellings_of_name_share_failures(db, names, exists):
    if exists:
        person(names[-1].lower(), password_of="ana")
    # The database decides which letters are the same: it is asked, so that both cases are alike.
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT lower(n)) FROM unnest(%s::text[]) AS n", [names])
        different = cursor.fetchone()[0]
    codes = [wrong(name) for name in names for _ in range(6)]
    assert codes.count(401) == 5 * different


def test_limit_ends_after_15_minutes(ana):
    for _ in range(5):
        wrong()
    pass_time(minutes=14, seconds=50)
    assert right() == 429
    pass_time(seconds=11)
    assert right() == 200


def test_retry_after_is_when_first_failure_is_forgotten(ana):
    wrong()
    pass_time(minutes=10)
    for _ in range(4):
        wrong()
    assert 290 <= int(Api().log_in().headers["Retry-After"]) <= 300


def test_tries_being_checked_keep_others_for_a_second(ana):
    for _ in range(5):
        wrong()
    FailedSignIn.objects.update(is_checked=False)
    refused = Api().log_in()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("sign_in_again", [right, wrong])
def test_try_that_was_never_judged_counts_for_ten_seconds(ana, sign_in_again):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            wrong()
        # As when the database is away before the result is stored.
        FailedSignIn.objects.update(is_checked=False)
        clock.shift(9)
        assert sign_in_again() == 429
        clock.shift(2)
        assert sign_in_again() != 429


def test_five_passwords_of_an_account_are_checked_at_once(ana, ben):
    wrong(address=AWAY)
    add_failures(4, source="192.0.2.2", is_checked=False)
    assert right() == 200
    add_failures(1, source="192.0.2.3", is_checked=False)
    refused = Api().log_in()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert right("ben") == 200


def test_right_password_resets_failures(ana):
    for _ in range(4):
        wrong()
    assert right() == 200
    assert [wrong() for _ in range(6)] == [401] * 5 + [429]


@pytest.mark.parametrize(
    "meanwhile", [right, lambda: attempts.forget(User.objects.all())], ids=["right", "forgotten"]
)
def test_failure_that_is_forgotten_while_checked_is_a_failure(ana, while_hashing, meanwhile):
    while_hashing(meanwhile)
    assert wrong() == 401
    while_hashing(meanwhile)
    assert sign_in(Client(REMOTE_ADDR=HOME), "wrong").status_code == 200


def test_many_sign_ins_with_right_password_are_not_limited(ana):
    assert {right() for _ in range(60)} == {200}


def test_forged_forwarded_header_gives_no_more_tries(ana):
    body = {"username": "ana", "password": "wrong"}
    codes = [
        Api().post("/auth/login", body, **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code
        for n in range(6)
    ]
    assert codes == [401] * 5 + [429]


def test_all_addresses_of_ipv6_network_share_failures(ana):
    codes = [wrong(address=f"2001:db8:1:2::{n:x}") for n in range(1, 111)]
    assert codes == [401] * 5 + [429] * 105
    assert right(address="2001:db8:1:3::1") == 200


def test_devices_of_tailscale_are_networks_of_their_own(ana):
    codes = [wrong(address="fd7a:115c:a1e0::8") for _ in range(6)]
    assert codes == [401] * 5 + [429]
    assert right(address="fd7a:115c:a1e0::9") == 200


def test_translated_ipv4_addresses_are_networks_of_their_own(ana, ben):
    codes = [wrong(address=f"64:ff9b::203.0.113.{n}") for n in range(7)]
    assert codes == [401] * 7
    assert [wrong("ben", address) for address in ["64:ff9b::198.51.100.7", HOME] * 3] == (
        [401] * 5 + [429]
    )


def test_pages_and_api_share_failures(ana):
    wrong()
    for path in ("/accounts/login/", "/admin/login/"):
        for _ in range(2):
            assert sign_in(Client(REMOTE_ADDR=HOME), "wrong", path).status_code == 200
    assert right() == 429


def test_wrong_present_password_is_counted_as_well(ana):
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = HOME
    assert attempts.check_present_password(request, ana, PASSWORDS["ana"])
    for _ in range(5):
        assert not attempts.check_present_password(request, ana, "wrong")
    with pytest.raises(attempts.TooManyAttempts):
        attempts.check_present_password(request, ana, PASSWORDS["ana"])
    assert right() == 429


def test_try_that_dies_stays_counted(ana):
    def die():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        attempts.guard(None, "ana", die)
    assert FailedSignIn.objects.count() == 1


# A network over all names, an account as a whole --------------------------------------------------


def test_network_has_50_failures_over_all_names(ana):
    assert [wrong(f"name{n}") for n in range(60)] == [401] * 50 + [429] * 10
    assert right() == 429
    assert right(address=AWAY) == 200
    pass_time(minutes=15)
    assert right() == 200


def test_ipv6_48_has_200_failures_over_all_names(ana):
    wrong("somebody", "2001:db8:1::1")
    add_failures(198, network="2001:db8:1:2::/64")
    assert wrong("another", "2001:db8:1:3::1") == 401
    assert right(address="2001:db8:1:4::1") == 429
    assert right(address="2001:db8:2::1") == 200


def test_network_that_signed_in_before_is_not_limited_by_neighbours(ana, ben):
    assert right() == 200
    for n in range(50):
        wrong(f"name{n}")
    assert (right("ben"), right("ana")) == (429, 200)


@pytest.mark.parametrize(("days", "status"), [(29, 200), (31, 429)])
def test_network_is_known_for_30_days(ana, days, status):
    right()
    pass_time(days=days)
    attack()
    wrong(address=AWAY)
    assert right() == status


def test_attacked_account_gives_new_networks_one_try_a_minute(ana):
    attack()
    assert [wrong(address=f"192.0.2.{n}") for n in range(10, 14)] == [401, 429, 429, 429]
    refused = Api(AWAY).log_in()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    pass_time(minutes=1)
    assert right(address=AWAY) == 200


def test_account_with_99_failures_is_not_attacked(ana):
    attack()
    FailedSignIn.objects.latest("pk").delete()
    assert [wrong(address="192.0.2.9"), wrong(address="192.0.2.9")] == [401, 429]


def test_attack_on_one_account_leaves_others_alone(ana, ben):
    attack()
    assert [wrong("ben", "192.0.2.8"), right("ben", "192.0.2.9")] == [401, 200]


def test_attacked_account_is_open_to_known_network(ana):
    right()
    attack()
    assert wrong(address=AWAY) == 401
    assert [wrong(), right()] == [401, 200]


def end_former_password(user):
    user.set_password("a very different one")
    user.save()


@pytest.mark.parametrize("end", [end_former_password, User.sign_out_everywhere])
def test_networks_of_former_password_are_new(ana, end):
    right()
    end(ana)
    attack()
    assert wrong(address=AWAY) == 401
    assert wrong() == 429


@pytest.mark.parametrize("end", [end_former_password, User.sign_out_everywhere])
def test_sign_in_under_way_makes_no_network_known(ana, while_hashing, end):
    while_hashing(lambda: end(User.objects.get()))
    right()
    assert KnownNetwork.objects.count() == 0


def test_attacked_account_is_open_to_known_browser(ana):
    browser = browser_of_ana()
    attack()
    assert wrong(address="192.0.2.10") == 401
    assert sign_in(browser, REMOTE_ADDR=AWAY).status_code == 302


# Known browsers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_neighbours_do_not_keep_known_browser_out(ana, path):
    User.objects.update(is_staff=True)
    browser = browser_of_ana(path)
    for _ in range(5):
        wrong()
    assert right() == 429
    assert sign_in(browser).status_code == 302


def test_known_browser_has_five_failures_of_its_own(ana):
    browser = browser_of_ana()
    codes = [sign_in(browser, "wrong", REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(6)]
    assert codes == [200] * 5 + [429]
    assert right() == 200


@pytest.mark.parametrize("end", [end_former_password, User.sign_out_everywhere])
def test_browsers_of_former_password_are_new(ana, end):
    browsers = [browser_of_ana() for _ in range(3)]
    end(ana)
    codes = [sign_in(each, "wrong").status_code for each in browsers for _ in range(3)]
    assert codes == [200] * 5 + [429] * 4


def test_browser_that_signs_in_again_gets_no_more_tries(ana):
    browser = browser_of_ana()
    copies = [browser.cookies["device"].value]
    sign_in(browser)
    copies.append(browser.cookies["device"].value)
    codes = []
    for copy_of in copies * 3:
        other = Client(REMOTE_ADDR=AWAY)
        other.cookies["device"] = copy_of
        codes.append(sign_in(other, "wrong").status_code)
    assert codes == [200] * 5 + [429]


def test_password_page_makes_its_browser_known(ana):
    browser = Client(REMOTE_ADDR=HOME)
    browser.force_login(ana)
    new = "a very different one"
    fields = {"old_password": PASSWORDS["ana"], "new_password1": new, "new_password2": new}
    assert browser.post("/account/password/", fields).status_code == 302
    del browser.cookies["sessionid"]
    for _ in range(5):
        wrong()
    assert sign_in(browser, new).status_code == 302


def test_shared_browser_is_known_to_five_accounts(db):
    names = ["ana", *(f"name{n}" for n in range(5))]
    browser = Client(REMOTE_ADDR=HOME)
    known = []
    for name in names:
        person(name, password_of="ana")
        login = {"username": name, "password": PASSWORDS["ana"]}
        browser.post("/accounts/login/", login)
        del browser.cookies["sessionid"]
    for name in names:
        for _ in range(5):
            wrong(name)
        login = {"username": name, "password": "wrong"}
        known.append(browser.post("/accounts/login/", login).status_code == 200)
    assert known == [False] + [True] * 5


def test_known_browser_of_one_account_is_new_to_another(ana, ben):
    browser = browser_of_ana()
    for _ in range(5):
        wrong("ben")
    login = {"username": "ben", "password": PASSWORDS["ben"]}
    assert browser.post("/accounts/login/", login).status_code == 429


@pytest.mark.parametrize("change", [lambda value: value[:-1] + "_", lambda value: f"1{value}"])
def test_changed_device_cookie_is_ignored(ana, change):
    browser = browser_of_ana()
    browser.cookies["device"] = change(browser.cookies["device"].value)
    for _ in range(5):
        wrong()
    assert sign_in(browser).status_code == 429


def test_device_cookie_is_for_this_site_alone(ana):
    cookie = sign_in(Client()).cookies["device"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (cookie["max-age"], cookie["secure"], cookie["domain"]) == (365 * 86400, "", "")


def test_device_cookie_is_bound_to_host_where_cookies_are_secure(ana, settings):
    settings.SESSION_COOKIE_SECURE = True
    cookies = sign_in(Client()).cookies
    assert "device" not in cookies
    assert cookies["__Host-device"]["secure"] is True


@pytest.mark.parametrize("password", ["wrong", PASSWORDS["ana"]])
def test_only_sign_in_by_page_sets_device_cookie(ana, password):
    assert not Api().log_in("ana", password).cookies
    assert "device" not in sign_in(Client(), "wrong").cookies


# What is answered, logged and kept ----------------------------------------------------------------


def test_refused_program_gets_json(ana):
    for _ in range(5):
        wrong()
    refused = Api().log_in()
    assert refused.headers["Content-Type"] == "application/json"
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    body = refused.json()
    assert (set(body), body["code"]) == ({"detail", "code", "errors"}, "throttled")


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_refused_person_gets_page(ana, path):
    browser = Client(REMOTE_ADDR=HOME)
    for _ in range(5):
        sign_in(browser, "wrong", path)
    refused = sign_in(browser, path=path)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert "Try again in 15 minutes" in refused.content.decode()


def keep(user):
    pass


def disable(user):
    user.is_active = False
    user.save()


def take_password(user):
    user.set_unusable_password()
    user.save()


@pytest.fixture
def hashed(monkeypatch):
    """The number of iterations of each hash that was made."""
    made = []
    encode = PBKDF2PasswordHasher.encode

    def count(self, password, salt, iterations=None):
        made.append(iterations or self.iterations)
        return encode(self, password, salt, iterations)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", count)
    return made


@pytest.mark.parametrize("end", [keep, disable, take_password, User.delete])
def test_nothing_tells_which_accounts_exist(ana, hashed, end):
    end(ana)
    hashed.clear()
    with CaptureQueriesContext(connection) as of_ana:
        first = Api().log_in("ana", "wrong" if end is keep else PASSWORDS["ana"])
    with CaptureQueriesContext(connection) as of_nobody:
        nobody = Api().log_in("nobody", "wrong")
    assert hashed == [10, 10]
    assert len(of_ana) == len(of_nobody)
    assert (first.status_code, first.content) == (nobody.status_code, nobody.content)
    assert first.status_code == 401
    assert [wrong() for _ in range(5)] == [wrong("nobody") for _ in range(5)] == [401] * 4 + [429]


def test_failure_is_logged_with_number_and_network(ana, caplog):
    caplog.set_level(logging.INFO, logger="accounts")
    wrong(address="2001:db8:1:2::3")
    wrong("hunter2")
    right()
    logged = [each.msg for each in caplog.records if each.name.startswith("accounts")]
    assert [(each["user"], each["network"]) for each in logged] == [
        (ana.pk, "2001:db8:1:2::/64"),
        (None, HOME),
    ]
    assert "hunter2" not in caplog.text


def test_names_that_were_tried_are_not_stored(ana):
    wrong()
    wrong("hunter2")
    stored = str(list(FailedSignIn.objects.values_list())).lower()
    assert not {"ana", "hunter2"} & set(stored.replace("'", " ").split())
    assert len({row.account for row in FailedSignIn.objects.all()}) == 2


def test_old_rows_are_deleted(ana, ben):
    right()
    wrong()
    add_failures(100)
    pass_time(days=31)
    right("ben")
    assert FailedSignIn.objects.count() == 0
    assert [known.user for known in KnownNetwork.objects.all()] == [ben]


def test_sign_ins_from_one_network_are_one_row(ana):
    for _ in range(3):
        right()
    assert KnownNetwork.objects.count() == 1


def test_refused_tries_add_no_rows(ana):
    for _ in range(20):
        wrong()
    assert FailedSignIn.objects.count() == 5


def test_administrator_can_forget_failures(admin, ana, ben):
    for name in ("ana", "BEN"):
        for _ in range(5):
            wrong(name, AWAY)
    action = {"action": "forget_failed_sign_ins", "_selected_action": [ben.pk]}
    answer = admin.post("/admin/accounts/user/", action, follow=True)
    assert "Forgot the failed sign-ins of 1 of 1 accounts." in answer.content.decode()
    assert (right("ben", AWAY), right("ana", AWAY)) == (200, 429)


def test_reader_of_accounts_can_not_forget_failures(signed_in, ana, ben):
    from django.contrib.auth.models import Permission

    ana.is_staff = True
    ana.save()
    ana.user_permissions.set(Permission.objects.filter(codename="view_user"))
    wrong("ben")
    action = {"action": "forget_failed_sign_ins", "_selected_action": [ben.pk]}
    signed_in.post("/admin/accounts/user/", action)
    assert FailedSignIn.objects.count() == 1


# At the same moment -------------------------------------------------------------------------------


def in_threads(count, function, numbers):
    """Call a function with each number, some at a time, and return the results."""

    def call(number):
        try:
            return function(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, numbers))


@pytest.mark.django_db(transaction=True)
def test_40_tries_at_once_give_five_guesses_at_most(ana):
    service = Service("api", database_environment(), workers=2).start()
    body = {"username": "ana", "password": "wrong"}
    url = f"{service.url}/auth/login"
    try:
        codes = in_threads(40, lambda _: requests.post(url, json=body).status_code, range(40))
    finally:
        service.stop()
    # Fewer on a machine so slow that one of them waits too long for others' hashes.
    assert set(codes) <= {401, 429, 503}
    assert 1 <= codes.count(401) <= 5


def prepare_network():
    wrong("somebody", AWAY)
    add_failures(48)
    return [(f"name{n}", AWAY) for n in range(4)]


def prepare_block():
    wrong("somebody", "2001:db8:1::1")
    add_failures(198, network="2001:db8:1:2::/64")
    return [(f"name{n}", f"2001:db8:1:{n + 3}::1") for n in range(4)]


def prepare_account():
    attack()
    return [("ana", f"192.0.2.{n + 10}") for n in range(4)]


def waiting_for_locks():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE NOT granted AND datname = current_database()"
        )
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_try_waits_two_seconds_for_a_lock(ana):
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE accounts_failedsignin")
        assert pool.submit(in_threads, 1, right, ["ana"]).result() == [503]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("prepare", [prepare_network, prepare_block, prepare_account])
def test_limit_leaves_one_of_tries_at_once(ana, prepare, monkeypatch):
    monkeypatch.setattr(attempts, "_PATIENCE", f"{PATIENCE}s")
    tries = prepare()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # All of them come as far as they can before any try can be counted.
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE accounts_failedsignin IN EXCLUSIVE MODE")
            codes = pool.submit(in_threads, 4, lambda one: wrong(*one), tries)
            wait_until(lambda: waiting_for_locks() == 4)
        assert sorted(codes.result()) == [401, 429, 429, 429]


# Hashing ------------------------------------------------------------------------------------------


class SlowHashing:
    """Django's hashing, which takes until it is told to go on."""

    def __init__(self, monkeypatch):
        self.going_on, self.lock = threading.Event(), threading.Lock()
        self.running = self.most = 0
        encode = PBKDF2PasswordHasher.encode

        def slow(hasher, *args):
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            self.going_on.wait(PATIENCE)
            with self.lock:
                self.running -= 1
            return encode(hasher, *args)

        monkeypatch.setattr(PBKDF2PasswordHasher, "encode", slow)


@pytest.fixture
def slow_hashing(monkeypatch):
    made = SlowHashing(monkeypatch)
    yield made
    made.going_on.set()


def try_to_hash(results):
    try:
        results.append(PasswordHasher().encode("a password", "salt", 1))
    except attempts.TooManyAttempts as error:
        results.append(error.wait)


@pytest.fixture
def hashing(slow_hashing):
    """Hashes passwords in so many threads, and returns the list that gets their results."""
    threads = []

    def start(count):
        results = []
        for _ in range(count):
            threads.append(threading.Thread(target=try_to_hash, args=[results]))
            threads[-1].start()
        return results

    yield start
    slow_hashing.going_on.set()
    for thread in threads:
        thread.join()


def test_two_hashes_run_and_four_wait(hashing, slow_hashing, monkeypatch):
    monkeypatch.setattr(passwords, "_PATIENCE_SECONDS", PATIENCE)
    results = hashing(8)
    wait_until(lambda: len(results) == 2)
    assert results == [1, 1]
    slow_hashing.going_on.set()
    wait_until(lambda: len(results) == 8)
    assert (results.count(1), slow_hashing.most) == (2, 2)


def test_hash_waits_no_longer_than_two_seconds(hashing, slow_hashing):
    results = hashing(3)
    wait_until(lambda: len(results) == 1)
    assert (results, slow_hashing.running) == ([1], 2)


# Before the database is asked, or after two seconds of waiting.
@pytest.mark.parametrize("others", [7, 2])
@pytest.mark.parametrize("path", ["/auth/login", "/accounts/login/"])
def test_sign_in_during_too_many_hashes_is_429_and_uncounted(
    ana, hashing, slow_hashing, path, others
):
    refused = hashing(others)
    wait_until(lambda: slow_hashing.running == 2 and len(refused) >= max(others - 6, 0))
    answer = Api().log_in() if path == "/auth/login" else sign_in(Client(), path=path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert FailedSignIn.objects.count() == 0


def test_database_is_not_asked_while_hashing_is_full(ana, hashing, monkeypatch):
    monkeypatch.setattr(passwords, "_PATIENCE_SECONDS", PATIENCE)
    refused = hashing(7)
    wait_until(lambda: len(refused) == 1)
    with CaptureQueriesContext(connection) as queries:
        assert Api().log_in().status_code == 429
    assert len(queries) == 0


def test_hashes_stay_valid_across_versions():
    assert check_password("secret", PBKDF2PasswordHasher().encode("secret", "a salt", 5))
    assert PasswordHasher().verify("secret", PBKDF2PasswordHasher().encode("secret", "a salt", 5))


# Upgrade ------------------------------------------------------------------------------------------

AXES = ["accessattempt", "accesslog", "accessfailurelog", "accessattemptexpiration"]


@pytest.mark.django_db(transaction=True)
def test_tables_of_earlier_versions_are_dropped():
    executor = MigrationExecutor(connection)
    executor.migrate([("accounts", "0002_origin")])
    with connection.cursor() as cursor:
        for name in AXES:
            cursor.execute(f"CREATE TABLE axes_{name} ()")
        executor.recorder.record_applied("axes", "0001_initial")
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes("accounts"))
        tables = connection.introspection.table_names(cursor)
        cursor.execute("SELECT count(*) FROM django_migrations WHERE app = 'axes'")
        assert cursor.fetchone()[0] == 0
    assert [name for name in tables if name.startswith("axes_")] == []
