"""The settings, loaded by real processes."""

import ast
import ipaddress
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from myhealth.secret_settings import SECRETS
from tests.warm import run_code

ROOT = Path(__file__).parents[2]
VALID = {
    "SERVICE": "api",
    "DB_HOST": "db.example",
    "SECRET_KEY": "k" * 50,
    "JWT_SECRET": "j" * 40,
    "ALLOWED_HOSTS": "health.example",
    "PUBLIC_URL": "https://health.example",
    "INGEST_TOKENS": "i" * 20,
    "CONTROL_TOKENS": "c" * 20,
}


def start(tmp_path, folder=ROOT, /, **changed):
    """Load the settings in a new process, and return its standard error (empty if they load)."""
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **VALID, **changed}
    return run_code("import myhealth.wsgi", environment, folder)[1]


def test_valid_settings_start(tmp_path):
    assert start(tmp_path) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"DB_HOST": "[::1]"},
        {"DB_HOST": "::1", "DB_REPLICA_HOST": "[::1]"},
        {"DB_HOST": "fd00::5", "DB_SSLMODE": "prefer"},
        {"PUBLIC_URL": "https://[2001:db8::1]:8443"},
        {"PROCESSOR_URL": "http://[::1]:8001"},
        {"PROCESSOR_URL": "http://[fd00::5]:8001"},
        {"OURA_API_URL": "http://[::1]:8002"},
        {"TRUSTED_PROXIES": "::1,[fd00::5],fd00::/8,::ffff:10.0.0.9,10.0.0.0/8"},
    ],
)
def test_addresses_may_be_of_ipv6(tmp_path, changed):
    assert start(tmp_path, **changed) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("JWT_SECRET", ""),
        ("JWT_SECRET", "j" * 40 + ",short"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "health.example/app"),
        ("ALLOWED_HOSTS", "my_nas"),
        ("DEBUG", "on"),
        ("DB_HOST", ""),
        ("DB_HOST", "postgres://u:hush@db.example/x"),
        ("DB_HOST", "db.example:5432"),
        ("DB_HOST", "db example"),
        ("DB_REPLICA_HOST", "host=db.example password=hush"),
        ("DB_PORT", "many"),
        ("DB_PORT", "70000"),
        ("DB_SSLMODE", "maybe"),
        ("PUBLIC_URL", ""),
        ("PUBLIC_URL", "http://health.example"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "here"),
        ("DB_SSLMODE", "prefer"),
        ("DB_SSLROOTCERT", "/nowhere"),
        ("OURA_API_URL", "ouraring.com"),
        ("OURA_API_URL", "http://api.ouraring.com"),
        ("OURA_OAUTH_DISCOVERY_URL", "http://moi.ouraring.com/discovery"),
        ("OURA_AUTHORIZE_URL", "http://moi.ouraring.com/authorize"),
        ("OURA_TOKEN_URL", "http://tokens"),
        ("OURA_REVOKE_URL", "HTTP://moi.ouraring.com/revoke"),
        ("PROCESSOR_CA_BUNDLE", "/nowhere"),
        ("PROCESSOR_CA_BUNDLE", "/dev/null"),
        ("OURA_CA_BUNDLE", "/nowhere"),
        ("OURA_CA_BUNDLE", "/dev/null"),
        ("OURA_CA_BUNDLE", "/tmp"),
        ("OURA_PROXY", "proxy.example.org:3128"),
        ("OURA_PROXY", "socks5://proxy.example.org:1080"),
        ("OURA_PROXY", "http://proxy.example.org:99999"),
        ("OURA_PROXY", "http://proxy.example.org/path"),
        ("OURA_PROXY", "http://a proxy:3128"),
        ("OURA_PROXY", "http://me:%E2%82%AC@proxy.example.org"),
        ("INGEST_TOKENS", "short"),
        ("INGEST_TOKENS", f"{'i' * 20} {'j' * 20}"),
        ("CONTROL_TOKENS", "i" * 20),
        ("PUBLIC_URL", "https://health.example:99999"),
        ("PUBLIC_URL", "https://health.example/myhealth"),
        ("PUBLIC_URL", "https://health.example?x=1"),
        ("PUBLIC_URL", "https://health.example/#top"),
        ("PUBLIC_URL", "https://ana:word@health.example"),
        ("PUBLIC_URL", "https://my_nas"),
        ("PUBLIC_URL", "https://*.example.org"),
        ("TIME_ZONE", "Mars/Base"),
        ("TIME_ZONE", "localtime"),
        ("TIME_ZONE", "posix/Europe/Berlin"),
        ("TIME_ZONE", "../zoneinfo/UTC"),
        ("EMAIL_URL", "somewhere"),
        ("CORS_ALLOWED_ORIGINS", "example.org"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.org"),
        ("CSRF_TRUSTED_ORIGINS", "https://example.org/path"),
        ("JWT_SECRET_FILE", "/nowhere"),
        ("SERVICE", ""),
        ("SERVICE", "everything"),
    ],
)
def test_invalid_setting_is_named_at_start(tmp_path, name, value):
    # A file is read only if the environment lacks the setting.
    unset = {name.removesuffix("_FILE"): None}
    assert name in start(tmp_path, **(unset | {name: value}))


@pytest.mark.parametrize("character", ["#", "/", "?", "@", "[", "é", " "])
def test_password_in_proxy_is_not_printed(tmp_path, character):
    output = start(tmp_path, OURA_PROXY=f"http://user:a{character}password@proxy.example.org")
    assert "percent-encoded" in output
    assert "password@" not in output


@pytest.mark.parametrize(
    "proxy",
    ["http://proxy:3128", "https://u:p%40%23:$&@proxy.example.org:3128/", "http://[::1]:3128"],
)
def test_proxy_may_have_user_and_password(tmp_path, proxy):
    assert start(tmp_path, OURA_PROXY=proxy) == ""


@pytest.mark.parametrize(
    "host",
    ["processor.example.org", "8.8.8.8", "[2606:4700::1]", "3405803785", "svc.org"],
)
def test_processor_elsewhere_is_asked_by_https_only(tmp_path, host):
    assert "PROCESSOR_URL" in start(tmp_path, PROCESSOR_URL=f"http://{host}:8001")
    assert start(tmp_path, PROCESSOR_URL=f"https://{host}:8001") == ""


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5",
        "processor.lan",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "processor",
        "processor.health.svc",
        "processor.health.svc.cluster.local",
        "processor.internal",
    ],
)
def test_processor_in_private_network_may_use_plain_http(tmp_path, host):
    assert start(tmp_path, PROCESSOR_URL=f"http://{host}:8001") == ""


def test_loopback_stands_in_for_oura(tmp_path):
    assert start(tmp_path, OURA_API_URL="http://127.0.0.1:8002") == ""


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("db.example", "verify-full"),
        ("10.0.0.5", "verify-full"),
        ("db", "verify-full"),
        ("127.0.0.1,db.example", "verify-full"),
        ("127.0.0.1", "prefer"),
        ("::1", "prefer"),
        ("localhost", "prefer"),
        ("/run/postgresql", "prefer"),
    ],
)
def test_database_certificate_is_verified_except_on_this_machine(tmp_path, host, mode):
    assert evaluate(tmp_path, "settings.DB_SSLMODE", DB_HOST=host) == mode


def test_replica_elsewhere_is_verified_too(tmp_path):
    changed = {"DB_HOST": "localhost", "DB_REPLICA_HOST": "replica.example"}
    assert evaluate(tmp_path, "settings.DB_SSLMODE", **changed) == "verify-full"


SSL_OPTIONS = "{k: v for k, v in settings.DATABASES['default']['OPTIONS'].items() if 'ssl' in k}"


def test_database_certificate_is_checked_with_given_authority(tmp_path):
    (tmp_path / "ca.crt").write_text("")
    file = str(tmp_path / "ca.crt")
    output = evaluate(tmp_path, SSL_OPTIONS, DB_SSLROOTCERT=file)
    assert output == str({"sslmode": "verify-full", "sslrootcert": file})


def test_without_authority_those_of_system_are_used(tmp_path):
    output = evaluate(tmp_path, f"list({SSL_OPTIONS}.values())", SSL_CERT_FILE=__file__)
    assert output == str(["verify-full", __file__])


def test_unverified_database_gets_no_authority(tmp_path):
    assert evaluate(tmp_path, SSL_OPTIONS, DB_SSLMODE="require") == str({"sslmode": "require"})


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("host", ["db", "10.0.0.5", "db.internal", "127.0.0.1"])
def test_private_network_may_be_without_tls(tmp_path, host, mode):
    assert start(tmp_path, DB_HOST=host, DB_SSLMODE=mode) == ""


@pytest.mark.parametrize("host", ["db.example", "8.8.8.8"])
def test_clear_text_to_public_database_is_refused(tmp_path, host):
    assert "clear text" in start(tmp_path, DB_HOST=host, DB_SSLMODE="disable")


@pytest.mark.parametrize("mode", ["require", "verify-ca"])
def test_authority_and_mode_that_contradict_are_refused(tmp_path, mode):
    cert = __file__ if mode == "require" else "system"
    assert "DB_SSLROOTCERT" in start(tmp_path, DB_SSLMODE=mode, DB_SSLROOTCERT=cert)


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, True), (0o600, False)])
def test_file_with_secrets_is_for_its_owner(tmp_path, mode, warned):
    file = tmp_path / "local.env"
    file.write_text("LOCAL=on\nOURA_CLIENT_SECRET=hush-hush\nPUBLIC_URL=http://localhost:8000\n")
    file.chmod(mode)
    output = start(tmp_path, DB_HOST=None, PUBLIC_URL=None)
    assert (f"chmod 600 {file}" in output) is warned
    assert "hush" not in output


def test_secrets_that_were_handed_on_give_no_warning(tmp_path):
    (tmp_path / "local.env").write_text(f"LOCAL=on\nJWT_SECRET={'j' * 40}\n")
    assert start(tmp_path, DB_HOST=None, PUBLIC_URL="http://localhost:8000") == ""


def test_all_invalid_settings_are_listed_at_once(tmp_path):
    (tmp_path / "local.env").write_text("LOCAL=on\nnot a setting\n")
    output = start(tmp_path, DB_HOST=None, SECRET_KEY="", JWT_SECRET="", ALLOWED_HOSTS="a_b")
    assert all(name in output for name in ("SECRET_KEY", "JWT_SECRET", "ALLOWED_HOSTS", "line 2"))


def test_secrets_are_not_printed(tmp_path):
    output = start(tmp_path, JWT_SECRET="hush-hush", SECRET_KEY="hush-hush", DEBUG="on")
    assert output
    assert "hush" not in output


def test_processor_requires_hosts(tmp_path):
    assert "ALLOWED_HOSTS" in start(tmp_path, SERVICE="processor", ALLOWED_HOSTS="")


def test_processor_requires_ingest_tokens(tmp_path):
    assert "INGEST_TOKENS" in start(tmp_path, SERVICE="processor", INGEST_TOKENS="")


def test_sandbox_refuses_production(tmp_path):
    assert "sandbox" in start(tmp_path, SERVICE="sandbox")


def test_sandbox_without_its_folder_says_so(tmp_path):
    shutil.copytree(ROOT / "myhealth", tmp_path / "myhealth")
    output = start(tmp_path, tmp_path, SERVICE="sandbox", LOCAL="on")
    assert output.count("\n  - ") == 1
    assert "SERVICE=sandbox needs the folder sandbox/" in output


def test_local_env_is_read_with_embedded_database(tmp_path):
    (tmp_path / "local.env").write_text("LOCAL=on\nPUBLIC_URL=http://localhost:8000\n")
    assert start(tmp_path, DB_HOST=None, PUBLIC_URL=None) == ""


def test_local_env_is_ignored_with_database_server(tmp_path):
    (tmp_path / "local.env").write_text("JWT_SECRET=" + "x" * 40 + "\n")
    assert "JWT_SECRET" in start(tmp_path, JWT_SECRET=None)


def evaluate(tmp_path, expression, **changed):
    """Return an expression about the settings as a new process prints it, or its error."""
    code = f"from django.conf import settings; print({expression})"
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **VALID, **changed}
    environment["DJANGO_SETTINGS_MODULE"] = "myhealth.settings"
    output, errors = run_code(code, environment)
    return output.strip() or errors


def test_setting_can_come_from_file(tmp_path):
    (tmp_path / "jwt").write_text("x" * 40 + "\n")
    file = str(tmp_path / "jwt")
    output = evaluate(tmp_path, "settings.JWT_SECRETS", JWT_SECRET=None, JWT_SECRET_FILE=file)
    assert output == str(["x" * 40])


def test_dollar_in_secret_file_is_kept(tmp_path):
    secret = "$SECRET_KEY" + "x" * 40
    (tmp_path / "jwt").write_text(secret)
    file = str(tmp_path / "jwt")
    assert evaluate(tmp_path, "settings.JWT_SECRETS", JWT_SECRET=None, JWT_SECRET_FILE=file) == str(
        [secret]
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_file_of_setting_may_come_from_windows(tmp_path, encoding):
    (tmp_path / "jwt").write_bytes(("x" * 40 + "\r\n").encode(encoding))
    file = str(tmp_path / "jwt")
    output = evaluate(tmp_path, "settings.JWT_SECRETS", JWT_SECRET=None, JWT_SECRET_FILE=file)
    assert output == str(["x" * 40])


@pytest.mark.parametrize("content", [b"\xff\xff" * 40, b"x\0" * 40, None])
def test_file_of_setting_without_text_is_refused(tmp_path, content):
    file = tmp_path / "jwt"
    file.mkdir() if content is None else file.write_bytes(content)
    output = start(tmp_path, JWT_SECRET=None, JWT_SECRET_FILE=str(file))
    assert "JWT_SECRET_FILE: the file" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("expression", "name", "value", "expected"),
    [
        ("OURA_API_KEY", "OURA_API_KEY", "'a-token'", "a-token"),
        ("OURA_API_KEY", "OURA_API_KEY", " Bearer a-token ", "a-token"),
        ("OURA_API_KEY", "OURA_API_KEY", "a token", "a token"),
        ("OURA_CLIENT_SECRET", "OURA_CLIENT_SECRET", '"a-secret"', "a-secret"),
        ("LOG_FORMAT", "LOG_FORMAT", '"text"', "text"),
        ("DATABASES['default']['PASSWORD']", "DB_PASSWORD", "'a-word'", "'a-word'"),
        ("INGEST_TOKENS", "INGEST_TOKENS", f"Bearer {'i' * 16},\n{'j' * 16}", ["i" * 16, "j" * 16]),
        ("JWT_SECRETS", "JWT_SECRET", f"a b {'j' * 40}", [f"a b {'j' * 40}"]),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS", "a.example b.example", [*"ab"]),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS", '["https://a.example:8443", "b.example."]', [*"ab"]),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS", "", []),
        ("CORS_ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGINS", "https://A:443/ http://b", "origins"),
        ("TRUSTED_PROXIES", "TRUSTED_PROXIES", "10.0.0.0/8 fd00::1", "networks"),
        ("PUBLIC_URL", "PUBLIC_URL", "HTTPS://Health.Example:443/", "https://health.example"),
    ],
)
def test_pasted_value_is_taken_for_what_is_meant(tmp_path, expression, name, value, expected):
    expected = {
        "origins": ["https://a", "http://b"],
        "networks": [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::1")],
    }.get(str(expected), expected)
    if name == "ALLOWED_HOSTS":
        expected = [*(f"{letter}.example" for letter in expected), "health.example"]
    assert evaluate(tmp_path, f"settings.{expression}", **{name: value}) == str(expected)


@pytest.mark.parametrize("service", ["api", "processor", "sandbox"])
def test_loopback_is_always_served_on_one_machine(tmp_path, service):
    changed = {"SERVICE": service, "LOCAL": "on", "ALLOWED_HOSTS": "health.example.org"}
    hosts = evaluate(tmp_path, "settings.ALLOWED_HOSTS", **changed)
    assert {"localhost", "127.0.0.1", "[::1]"} <= set(ast.literal_eval(hosts))


def test_environment_overrides_file(tmp_path):
    (tmp_path / "jwt").write_text("x" * 40)
    output = evaluate(tmp_path, "settings.JWT_SECRETS", JWT_SECRET_FILE=str(tmp_path / "jwt"))
    assert output == str(["j" * 40])


def test_email_url_sets_mail_server(tmp_path):
    output = evaluate(
        tmp_path,
        "settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS",
        EMAIL_URL="smtp+tls://user:word@mail.example:587",
    )
    assert output == "mail.example 587 True"


def test_log_lines_contain_service(tmp_path):
    assert evaluate(tmp_path, "__import__('myhealth.logs').logs.Role.name") == "api"


COOKIES = """[
    (cookie, getattr(settings, f"{kind}_COOKIE_SECURE"), getattr(settings, f"{kind}_COOKIE_PATH"))
    for kind in ("SESSION", "CSRF") for cookie in [getattr(settings, f"{kind}_COOKIE_NAME")]
]"""
HOST_COOKIES = str([("__Host-sessionid", True, "/"), ("__Host-csrftoken", True, "/")])
PLAIN_COOKIES = str([("sessionid", False, "/"), ("csrftoken", False, "/")])


@pytest.mark.parametrize("local", ["on", "off"])
def test_cookies_are_bound_to_host_by_https(tmp_path, local):
    assert evaluate(tmp_path, COOKIES, LOCAL=local) == HOST_COOKIES


def test_cookies_are_plain_by_http(tmp_path):
    url = "http://localhost:8000"
    assert evaluate(tmp_path, COOKIES, LOCAL="on", PUBLIC_URL=url) == PLAIN_COOKIES


HSTS = """(
    settings.SECURE_HSTS_SECONDS,
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS,
    settings.SECURE_HSTS_PRELOAD,
)"""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (86400, False, False)),
        ({"HSTS_SECONDS": "31536000", "HSTS_SUBDOMAINS": "on"}, (31536000, True, False)),
        ({"HSTS_SECONDS": "0"}, (0, False, False)),
        ({"PUBLIC_URL": "http://localhost:8000", "LOCAL": "on"}, (0, False, False)),
    ],
)
def test_hsts_is_set_by_operator(tmp_path, changed, expected):
    assert evaluate(tmp_path, HSTS, **changed) == str(expected)


@pytest.mark.parametrize("service", ["api", "processor"])
def test_no_secret_stays_in_the_environment_of_requests(tmp_path, service):
    given = dict.fromkeys([*SECRETS, "AWS_SECRET_ACCESS_KEY", "DEMO_PASSWORD"], "s" * 43 + "=")
    given["EMAIL_URL"] = "smtp+tls://user:a-password@host:587"
    given["OURA_PROXY"] = "http://user:a-password@proxy.example.org:3128"
    given["CONTROL_TOKENS"] = "c" * 20
    output = evaluate(
        tmp_path,
        "settings.DEBUG or sorted(__import__('os').environ)",
        SERVICE=service,
        THREADS="2",
        **given,
    )
    left = ast.literal_eval(output)
    assert "THREADS" in left
    assert not given.keys() & set(left)


SECRET_LINE = "OURA_API_KEY hush-hush"


@pytest.mark.parametrize("module", ["myhealth.serve", "myhealth.local.run"])
def test_line_that_cannot_be_read_is_told_once(tmp_path, module):
    shutil.copytree(ROOT / "myhealth", tmp_path / "myhealth")
    (tmp_path / ".env").write_text(f"LOCAL=on\n{SECRET_LINE}\n")
    result = subprocess.run(
        [sys.executable, "-m", module],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (2, "")
    [problem] = result.stderr.splitlines()[1:]
    assert problem.startswith(f"  - {tmp_path}/.env, line 2: ")


@pytest.mark.parametrize("host", ["nas.example.org", '"*"x', "::1/64"])
def test_server_says_that_it_cannot_listen_there(host):
    command = [sys.executable, "-m", "myhealth.serve"]
    result = subprocess.run(
        command, env={"PATH": os.environ["PATH"], "HOST": host}, cwd=ROOT, capture_output=True
    )
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.splitlines()[1:] == [
        b"  - HOST must be one of this machine's addresses, such as 127.0.0.1, or * for all "
        b"of them."
    ]


def test_character_that_the_locale_lacks_is_said(tmp_path):
    (tmp_path / "local.env").write_text("LOCAL=on\nOURA_USER=Żaneta\n", encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **plain},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    [problem] = result.stderr.splitlines()[1:]
    assert "OURA_USER has a character that this terminal's locale does not have" in problem


def test_service_says_once_what_is_wrong(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "myhealth.serve"],
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **VALID, "DEBUG": "on"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert [line[:9] for line in result.stderr.splitlines()] == ["myhealth ", "  - DEBUG"]


def test_command_stops_at_line_that_cannot_be_read(tmp_path):
    (tmp_path / "local.env").write_text(f"LOCAL=on\n{SECRET_LINE}\n")
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, "line 2" in result.stderr) == (2, True)
    assert "hush" not in result.stderr + result.stdout
