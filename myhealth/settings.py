"""The settings of all processes, which are read from the environment.

Each of these sources overrides those before it: the defaults below, an AWS Secrets Manager secret,
the file that `NAME_FILE` names, `var/local.env` (only with the embedded database), `.env`, the
environment. If any settings are invalid, the process stops with one message that lists them all.
"""

import base64
import ipaddress
import os
import re
import secrets
import ssl
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import environ
from django.core.exceptions import ImproperlyConfigured

from myhealth import __version__, aws, env_file, hosts, time_zones
from myhealth.logs import Role, logging_config
from myhealth.running import fill_environment
from myhealth.secret_settings import describe, forget_secrets, read_env_file

BASE_DIR = Path(__file__).resolve().parent.parent
_SERVICES = ("api", "processor", "sandbox")
# The sandbox is part of a checkout, not of an image.
_HAS_SANDBOX = (BASE_DIR / "sandbox" / "__init__.py").exists()

_problems: list[str] = []

# The settings that any process has, and the names in the AWS secret that no process takes.
_names: set[str] = set()
_not_secret: set[str] = set()

_given = frozenset(os.environ)
_problems += read_env_file(BASE_DIR / ".env")
VAR_DIR = BASE_DIR / (os.environ.get("VAR_DIR") or "var")
if not os.environ.get("DB_HOST"):
    _problems += read_env_file(VAR_DIR / "local.env")
    if Path(sys.argv[0]).name == "manage.py" and not os.environ.get("SERVICE"):
        fill_environment(VAR_DIR, _given)
if os.environ.get("AWS_SECRETS_ID"):
    try:
        _not_secret = aws.fill_environment(os.environ["AWS_SECRETS_ID"])
    except aws.SecretUnavailable as error:
        _problems.append(str(error))


def _file_text(name: str) -> str:
    """Return the content of the file that `NAME_FILE` names (a mounted secret)."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        text = env_file.decode(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or type(error).__name__
        _problems.append(f"{name}_FILE: the file can't be read ({why}).")
        return ""
    if not env_file.is_decoded(text):
        _problems.append(f"{name}_FILE: the file must be text in UTF-8.")
    return text


def _text(name: str, default: str = "") -> str:
    """Return a setting, or the content of the file that `NAME_FILE` names."""
    _names.add(name)
    value = (os.environ.get(name) or _file_text(name)).strip()
    # Docker's --env-file hands quotes on; only a password may have them.
    if value[:1] in ("'", '"') and value[1:].endswith(value[0]) and name != "DB_PASSWORD":
        value = value[1:-1].strip()
    return value or default


def _text_of_token(name: str) -> str:
    """Return a token, which may have been copied with the word that stands before it."""
    return re.sub(r"(?i)^bearer\s+", "", _text(name))


def _flag(name: str, default: bool = False) -> bool:
    raw = _text(name).lower()
    if raw in ("", "on", "off", "true", "false", "1", "0", "yes", "no"):
        return raw in ("on", "true", "1", "yes") if raw else default
    _problems.append(f"{name} must be on or off.")
    return default


def _number(name: str, default: int, lowest: int, highest: int) -> int:
    try:
        value = int(_text(name) or default)
        if lowest <= value <= highest:
            return value
    except ValueError:
        pass
    _problems.append(f"{name} must be a whole number from {lowest} to {highest}.")
    return default


def _list(name: str) -> list[str]:
    return [part for part in (part.strip() for part in _text(name).split(",")) if part]


def _list_of_tokens(name: str) -> list[str]:
    tokens = [re.sub(r"(?i)^bearer\s+", "", part) for part in _list(name)]
    if SERVING and any(token.split() != [token] for token in tokens):
        _problems.append(f"Tokens in {name} must not contain spaces; separate them by commas.")
    return tokens


def _list_of_hosts(name: str) -> list[str]:
    found = []
    for word in hosts.split_words(_text(name)):
        try:
            found.append(word if word == "*" else hosts.host(word))
        except ValueError:
            _problems.append(f"{name} must list host names, such as health.example.org.")
    return found


def _choice(name: str, default: str, options: tuple[str, ...]) -> str:
    value = _text(name, default).lower()
    if value not in options:
        _problems.append(f"{name} must be one of: {', '.join(options)}.")
        return default
    return value


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        # An invalid port raises.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_proxy(value: str) -> bool:
    """Return whether libraries can use it as a proxy: what they can't, they print."""
    form = r"https?://([!$-.0->A-~]*@)?([\w.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?/?"
    is_latin = all(ord(character) < 256 for character in unquote(value))
    return bool(re.fullmatch(form, value, re.ASCII | re.IGNORECASE)) and _is_url(value) and is_latin


def _url(name: str, default: str) -> str:
    value = _text(name, default).rstrip("/")
    if value and not _is_url(value):
        _problems.append(f"{name} must be an http:// or https:// address.")
        return default
    return value


def _certificates(name: str) -> str:
    """Return the path of a file with certificates to trust; empty if there is none."""
    path = _text(name)
    try:
        if path:
            ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        _problems.append(f"{name} must be a readable file with certificates (PEM).")
    return path


def _is_plain_http(value: str) -> bool:
    return value.lower().startswith("http:")


def _url_for_tokens(name: str, default: str = "") -> str:
    """Return an address that gets tokens: over TLS in production, unless it is this machine."""
    value = _url(name, default)
    if not LOCAL and _is_plain_http(value) and not _is_loopback(urlsplit(value).hostname or ""):
        _problems.append(f"{name} must start with https:// in production.")
    return value


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by name, address or socket."""
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.startswith(("/", "@"))


def _is_internal(host: str) -> bool:
    """Return whether a host is this machine, or in a private network by its name or address."""
    host = host.rstrip(".")
    if address := _address(host):
        return address.is_private
    # Not a digit first: an address can be written as one number.
    is_label = host[:1].isalpha() and "." not in host and ":" not in host
    private = (".svc", ".svc.cluster.local", ".internal", ".local", ".lan", ".home.arpa")
    return _is_loopback(host) or is_label or host.endswith(private)


def _url_without_path(name: str, default: str) -> str:
    value = _text(name, default)
    try:
        if "*" in value:
            raise ValueError
        return hosts.origin(value) if value else ""
    except ValueError:
        _problems.append(
            f"{name} must be an http:// or https:// address without a path, a user or a query, "
            "such as https://health.example.org: myhealth can't share a host name with other "
            "services."
        )
        return default


def _origins(name: str, *, wildcards: bool = False) -> list[str]:
    """Return origins, which are addresses without a path."""
    try:
        values = [hosts.origin(word) for word in hosts.split_words(_text(name))]
        if wildcards or not any("*" in value for value in values):
            return values
    except ValueError:
        pass
    _problems.append(f"{name} must be a list of origins, such as https://example.org.")
    return []


# The process ---------------------------------------------------------------------------------

SERVICE = _text("SERVICE")
if SERVICE and SERVICE not in _SERVICES:
    _problems.append(f"SERVICE must be one of: {', '.join(_SERVICES)}.")
    SERVICE = ""
SERVING = bool(SERVICE)
Role.name = SERVICE or Role.name
LOCAL = _flag("LOCAL")
DEBUG = _flag("DEBUG")
if DEBUG and not LOCAL:
    _problems.append("DEBUG must be off in production: its error pages show settings and data.")

SECRET_KEY = _text("SECRET_KEY")
SECRET_KEY_FALLBACKS = _list("SECRET_KEY_FALLBACKS")
HAS_SECRET_KEY = len(SECRET_KEY) >= 32
if not HAS_SECRET_KEY:
    if SERVING and SERVICE != "sandbox":
        _problems.append(
            "SECRET_KEY must be at least 32 random characters; "
            'create one with: python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    # Commands sign nothing that is used after them, unless they ask if there is a key.
    SECRET_KEY = secrets.token_urlsafe(50)

if SERVICE == "sandbox":
    if not LOCAL:
        _problems.append(
            "SERVICE=sandbox needs LOCAL=on: the sandbox has demo data and is not for production."
        )
    if not _HAS_SANDBOX:
        _problems.append(
            "SERVICE=sandbox needs the folder sandbox/, which is not in the container image."
        )

API_PORT = _number("API_PORT", 8000, 1, 65535)
PROCESSOR_PORT = _number("PROCESSOR_PORT", 8001, 1, 65535)
SANDBOX_PORT = _number("SANDBOX_PORT", 8002, 1, 65535)
# The threads of one worker, as the server is started with.
THREADS = _number("THREADS", 16, 2, 1000)
PUBLIC_URL = _url_without_path(
    "PUBLIC_URL", f"http://localhost:{API_PORT}" if LOCAL or not SERVING else ""
)
PUBLIC_URL_IS_KNOWN = LOCAL or bool(_text("PUBLIC_URL"))
if SERVICE == "api" and not PUBLIC_URL:
    _problems.append(
        "PUBLIC_URL must be the address of this service, such as https://health.example.org."
    )

_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = [] if SERVICE == "sandbox" else _list_of_hosts("ALLOWED_HOSTS")
if "*" in ALLOWED_HOSTS and not LOCAL:
    _problems.append("ALLOWED_HOSTS must list host names; * would allow any host.")
if SERVICE in ("", "api") and PUBLIC_URL:
    ALLOWED_HOSTS.append(hosts.host(PUBLIC_URL))
if LOCAL or not SERVING or SERVICE == "sandbox":
    # The processes of one machine find each other, whatever names people use.
    ALLOWED_HOSTS += _LOOPBACK
if SERVICE == "processor" and not ALLOWED_HOSTS:
    _problems.append("ALLOWED_HOSTS must list the host names of this service.")

# Database ------------------------------------------------------------------------------------


def _hosts_of_postgresql(name: str) -> str:
    """Return hosts as libpq takes them: names, addresses and folders of sockets."""
    found = [part if part.startswith(("/", "@")) else part.strip("[]") for part in _list(name)]
    for each in found:
        if not (each.startswith(("/", "@")) or _address(each) or re.fullmatch(r"[\w.-]+", each)):
            # It may be an address with a password.
            _problems.append(
                f"{name} must be a host name or an address, such as db.example.org: put the port "
                "into DB_PORT, and the rest into DB_USER, DB_PASSWORD and DB_NAME."
            )
    return ",".join(found)


DB_HOST = _hosts_of_postgresql("DB_HOST")
EMBEDDED_DATABASE = not DB_HOST
if SERVING and EMBEDDED_DATABASE and not LOCAL:
    _problems.append("DB_HOST must name the PostgreSQL server.")
_DB_REPLICA_HOST = _hosts_of_postgresql("DB_REPLICA_HOST")
_DB_HOSTS = [host for host in f"{DB_HOST},{_DB_REPLICA_HOST}".split(",") if host]
DB_SSLMODE = _choice(
    "DB_SSLMODE",
    "prefer" if all(map(_is_loopback, _DB_HOSTS)) else "verify-full",
    ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
)
DB_SSLROOTCERT = _text("DB_SSLROOTCERT", "system")
_ssl_options: dict[str, str] = {}
_MAY_BE_CLEAR = DB_SSLMODE in ("disable", "allow", "prefer")
if _MAY_BE_CLEAR and not LOCAL and not all(map(_is_internal, _DB_HOSTS)):
    _problems.append(
        f"DB_SSLMODE must be verify-full, verify-ca or require: with {DB_SSLMODE}, passwords "
        "and data may reach PostgreSQL in clear text."
    )
if DB_SSLMODE.startswith("verify-"):
    if DB_SSLROOTCERT != "system" and not os.access(DB_SSLROOTCERT, os.R_OK):
        _problems.append("DB_SSLROOTCERT must be a readable file with certificates, or system.")
    if DB_SSLROOTCERT == "system" and DB_SSLMODE == "verify-ca":
        _problems.append(
            "DB_SSLMODE=verify-ca needs a file in DB_SSLROOTCERT, because a public authority "
            "issues certificates to anybody. With system, use verify-full."
        )
    # Not libpq's own `system`: psycopg's OpenSSL does not look where this machine's are.
    system = ssl.get_default_verify_paths().cafile or certifi.where()
    _ssl_options = {"sslrootcert": system if DB_SSLROOTCERT == "system" else DB_SSLROOTCERT}
elif DB_SSLROOTCERT != "system":
    _problems.append("DB_SSLROOTCERT has an effect only with DB_SSLMODE=verify-full or verify-ca.")
DB_POOL_SIZE = _number("DB_POOL_SIZE", 16, 1, 1000)
# Unless it is set, none are prepared behind a connection pooler, which may not keep them.
DB_PREPARED_STATEMENTS = (
    _flag("DB_PREPARED_STATEMENTS") if _text("DB_PREPARED_STATEMENTS") else None
)
# How long a statement may take. Those of commands, such as migrations, have no limit.
STATEMENT_SECONDS = 30 if SERVING else 0


def _database(host: str) -> dict[str, Any]:
    return {
        "ENGINE": "myhealth.postgresql",
        "HOST": host,
        "PORT": _number("DB_PORT", 5432, 1, 65535),
        "USER": _text("DB_USER", "postgres"),
        "PASSWORD": _text("DB_PASSWORD"),
        "NAME": _text("DB_NAME", "myhealth"),
        "OPTIONS": {
            "sslmode": "disable" if EMBEDDED_DATABASE else DB_SSLMODE,
            **_ssl_options,
            "connect_timeout": 5,
            # A short timeout keeps the pauses between attempts short, however long the database
            # has been away: each new request starts over.
            "pool": {
                "min_size": 1,
                "max_size": DB_POOL_SIZE,
                "timeout": 5,
                "reconnect_timeout": 5,
            },
            # Without a number, psycopg prepares no statement even where it should. This one
            # keeps it from preparing others, which are made for one request.
            "prepare_threshold": 1_000_000_000,
            "application_name": f"myhealth-{SERVICE or 'command'}",
        },
        # These need a connection that outlives a transaction, which poolers don't give.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


DATABASES = {"default": _database(DB_HOST)}
if _DB_REPLICA_HOST:
    DATABASES["replica"] = {
        **_database(_DB_REPLICA_HOST),
        "TEST": {"MIRROR": "default"},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Oura and the collector ----------------------------------------------------------------------

OURA_API_KEY = _text_of_token("OURA_API_KEY")
OURA_USER = _text("OURA_USER")
OURA_API_URL = _url_for_tokens("OURA_API_URL", "https://api.ouraring.com")
OURA_CLIENT_ID = _text("OURA_CLIENT_ID")
OURA_CLIENT_SECRET = _text("OURA_CLIENT_SECRET")
OURA_OAUTH_DISCOVERY_URL = _url_for_tokens(
    "OURA_OAUTH_DISCOVERY_URL",
    "https://moi.ouraring.com/oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration",
)
OURA_AUTHORIZE_URL = _url_for_tokens("OURA_AUTHORIZE_URL")
OURA_TOKEN_URL = _url_for_tokens("OURA_TOKEN_URL")
OURA_REVOKE_URL = _url_for_tokens("OURA_REVOKE_URL")
# Requests to Oura go through it; nothing else does.
OURA_PROXY = _text("OURA_PROXY")
if OURA_PROXY and not _is_proxy(OURA_PROXY):
    _problems.append(
        "OURA_PROXY must be an http:// or https:// address, such as http://proxy.example.org:3128; "
        "special characters in its user name and password must be percent-encoded."
    )
# Certificates to trust, if this network replaces Oura's.
OURA_CA_BUNDLE = _certificates("OURA_CA_BUNDLE")
# Requests in five minutes for all people of the application, as Oura documents it.
OURA_REQUEST_LIMIT = _number("OURA_REQUEST_LIMIT", 5000, 20, 1_000_000)
TOKEN_ENCRYPTION_KEYS = _list_of_tokens("TOKEN_ENCRYPTION_KEYS")
if OURA_CLIENT_ID and not OURA_CLIENT_SECRET:
    _problems.append("OURA_CLIENT_SECRET must be set if OURA_CLIENT_ID is set.")
if OURA_CLIENT_ID and not TOKEN_ENCRYPTION_KEYS:
    _problems.append(
        "TOKEN_ENCRYPTION_KEYS must contain a key if OURA_CLIENT_ID is set; "
        "create one with: python3 -c "
        '"import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
    )
for key in TOKEN_ENCRYPTION_KEYS:
    try:
        if len(base64.urlsafe_b64decode(key)) != 32:
            raise ValueError
    except ValueError:
        _problems.append("Each key in TOKEN_ENCRYPTION_KEYS must be 32 bytes in URL-safe base64.")
        break
# When collections start, as in crontab, if nothing waits for people who ask for one.
COLLECT_SCHEDULE = _text("COLLECT_SCHEDULE")
COLLECTOR_THREADS = _number("COLLECTOR_THREADS", 8, 1, 64)
COLLECTOR_TIMEOUT = _number("COLLECTOR_TIMEOUT", 30, 1, 600)
PROCESSOR_URL = _url(
    "PROCESSOR_URL", f"http://127.0.0.1:{PROCESSOR_PORT}" if LOCAL or SERVING else ""
)
_processor_host = urlsplit(PROCESSOR_URL).hostname or ""
if not LOCAL and _is_plain_http(PROCESSOR_URL) and not _is_internal(_processor_host):
    _problems.append(
        "PROCESSOR_URL must start with https:// unless its host is this machine or is in a "
        "private network (for example processor, processor.health.svc, processor.internal or "
        "10.0.0.5)."
    )
# Certificates to trust, if the processor's is not from a public authority.
PROCESSOR_CA_BUNDLE = _certificates("PROCESSOR_CA_BUNDLE")
INGEST_TOKENS = _list_of_tokens("INGEST_TOKENS")
CONTROL_TOKENS = _list_of_tokens("CONTROL_TOKENS")
if SERVICE == "processor" and not INGEST_TOKENS:
    _problems.append("INGEST_TOKENS must contain at least one token, which the collector sends.")
for name, tokens in (("INGEST_TOKENS", INGEST_TOKENS), ("CONTROL_TOKENS", CONTROL_TOKENS)):
    if SERVING and any(len(token) < 16 for token in tokens):
        _problems.append(f"Each token in {name} must have at least 16 characters.")
if set(INGEST_TOKENS) & set(CONTROL_TOKENS):
    _problems.append("CONTROL_TOKENS must differ from INGEST_TOKENS.")
METRICS_TOKEN = _text_of_token("METRICS_TOKEN")
METRICS_TEXTFILE = _text("METRICS_TEXTFILE")
PUSHGATEWAY_URL = _url("PUSHGATEWAY_URL", "")

SANDBOX_DAYS = _number("SANDBOX_DAYS", 400, 1, 10_000)
SANDBOX_SEED = _text("SANDBOX_SEED", "myhealth")
SANDBOX_PAGE_SIZE = _number("SANDBOX_PAGE_SIZE", 1000, 1, 10_000)
SANDBOX_TODAY: date | None = None
if _text("SANDBOX_TODAY"):
    try:
        SANDBOX_TODAY = date.fromisoformat(_text("SANDBOX_TODAY"))
    except ValueError:
        _problems.append("SANDBOX_TODAY must be a date, YYYY-MM-DD.")

# Applications and middleware -----------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # Before the admin, some of whose templates it replaces.
    "myhealth",
    "myhealth.admin_config.LazyAdminConfig",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
    "corsheaders",
    "accounts",
    "ingest",
    "dashboard",
    "oura",
    *(["sandbox"] if _HAS_SANDBOX else []),
]
_COMMON_MIDDLEWARE = [
    "myhealth.requests.RequestMiddleware",
    "myhealth.headers.HeadersMiddleware",
    # Once more than below: what follows refuses requests before the others see them.
    *(["myhealth.browsers.ErrorPages"] if SERVICE in ("", "api") else []),
    "myhealth.limits.LimitsMiddleware",
    "myhealth.requests.ProbeMiddleware",
    "myhealth.requests.HostMiddleware",
    "myhealth.requests.ProxyMiddleware",
    "myhealth.headers.HttpsMiddleware",
    "django.middleware.security.SecurityMiddleware",
]
_BROWSER_MIDDLEWARE = [
    "myhealth.browsers.WhiteNoiseMiddleware",
    "myhealth.browsers.GZipMiddleware",
    "myhealth.browsers.CorsMiddleware",
    "myhealth.loopback.LoopbackMiddleware",
    "myhealth.browsers.SessionMiddleware",
    "myhealth.browsers.CommonMiddleware",
    "myhealth.browsers.ErrorPages",
    "django.middleware.csrf.CsrfViewMiddleware",
    "myhealth.browsers.AuthenticationMiddleware",
    "accounts.sessions.SessionLimits",
    "myhealth.browsers.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.SignInMiddleware",
    "dashboard.repeats.RepeatedReads",
]
MIDDLEWARE = [
    *_COMMON_MIDDLEWARE,
    # Only programs use the processor and the sandbox, without sessions, cookies or pages.
    *(
        _BROWSER_MIDDLEWARE
        if SERVICE in ("", "api")
        else ["django.middleware.common.CommonMiddleware"]
    ),
]
# HSTS for all names under the domain, and in browsers' lists, is for the domain's owner to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if SERVICE in ("processor", "sandbox"):
    # The admin site is installed for its tables; only the API serves it.
    SILENCED_SYSTEM_CHECKS += ["admin.E408", "admin.E409", "admin.E410"]
ROOT_URLCONF = f"myhealth.urls.{SERVICE or 'api'}"
WSGI_APPLICATION = "myhealth.wsgi.application"
# Only the API has pages (see myhealth.browsers.CommonMiddleware).
APPEND_SLASH = SERVICE in ("", "api")
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
STATIC_URL = "static/"
# An image and `make run` have static files collected, under names with a hash of their content.
# Under their own names, they are served from their apps.
STATIC_ROOT = _text("STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = True
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
STORAGES = {
    "staticfiles": {
        "BACKEND": "myhealth.static_files.CollectedFiles"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    }
}
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "myhealth.formats"
USE_TZ = True
TIME_ZONE = _text("TIME_ZONE", "UTC")
if TIME_ZONE not in time_zones.names():
    _problems.append("TIME_ZONE must be an IANA name, such as Europe/Berlin.")
    TIME_ZONE = "UTC"
# Django looks there for it.
_SYSTEM_ZONES = Path("/usr/share/zoneinfo")
if _SYSTEM_ZONES.exists() and not (_SYSTEM_ZONES / TIME_ZONE).exists():
    _problems.append(
        "TIME_ZONE: this system does not know the zone; update the package tzdata, or use the "
        "zone's current name."
    )

# Accounts, sessions, tokens ------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.passwords.PasswordBackend"]
PASSWORD_HASHERS = ["accounts.passwords.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
    )
]
# Of the links of `reset_password`: a day.
PASSWORD_RESET_TIMEOUT = 86_400
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"

JWT_SECRETS = _list("JWT_SECRET")
if SERVICE == "api" and (not JWT_SECRETS or any(len(key.encode()) < 32 for key in JWT_SECRETS)):
    _problems.append(
        "JWT_SECRET must contain at least one secret, each of at least 32 random bytes."
    )
JWT_SECRETS = JWT_SECRETS or [SECRET_KEY]
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "AUTH_TOKEN_CLASSES": ("accounts.tokens.AccessToken",),
}

TRUSTED_PROXIES = []
for part in hosts.split_words(_text("TRUSTED_PROXIES")):
    try:
        # IPv4 may be written as IPv6, as systems do.
        TRUSTED_PROXIES.append(
            ipaddress.ip_network(part.lower().removeprefix("::ffff:").strip("[]"), strict=False)
        )
    except ValueError:
        _problems.append(
            "Each entry in TRUSTED_PROXIES must be an address or a network, such as 10.0.0.0/8."
        )

if SERVICE == "api" and not LOCAL and PUBLIC_URL and not PUBLIC_URL.startswith("https://"):
    _problems.append("PUBLIC_URL must start with https:// in production.")
# Browsers send cookies with Secure by https only. With the prefix, they take them from this host
# alone, so that no other name under its domain can plant one here.
_HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
SESSION_ENGINE = "myhealth.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if _HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if _HTTPS else "csrftoken"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = _origins("CSRF_TRUSTED_ORIGINS", wildcards=True)
if PUBLIC_URL:
    # A proxy may send another host, such as that of the address without its port.
    CSRF_TRUSTED_ORIGINS.append(PUBLIC_URL)
CSRF_FAILURE_VIEW = "accounts.pages.expired"
# Otherwise messages are in a cookie of their own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
_HSTS_SECONDS = _number("HSTS_SECONDS", 86_400, 0, 63_072_000)
SECURE_HSTS_SECONDS = _HSTS_SECONDS if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _flag("HSTS_SUBDOMAINS")
SECURE_SSL_REDIRECT = SERVICE in ("", "api") and _HTTPS
SECURE_SSL_HOST = urlsplit(PUBLIC_URL).netloc if _HTTPS else None
# myhealth.requests.ProxyMiddleware removes this header unless a trusted proxy sent it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CORS_ALLOWED_ORIGINS = _origins("CORS_ALLOWED_ORIGINS")
CORS_EXPOSE_HEADERS = ["ETag", "X-Request-ID", "Retry-After"]
try:
    vars().update(environ.Env.email_url_config(_text("EMAIL_URL", "consolemail://")))
except (ValueError, KeyError, ImproperlyConfigured):
    _problems.append("EMAIL_URL must have the form smtp+tls://user:password@host:587.")

# API -----------------------------------------------------------------------------------------

# Views have limits of their own (myhealth.limits), and none takes files.
DATA_UPLOAD_MAX_MEMORY_SIZE = 11 * 1024 * 1024
FILE_UPLOAD_HANDLERS: list[str] = []
REST_FRAMEWORK = {
    # The processor's views name theirs, and it needs no code for other tokens.
    "DEFAULT_AUTHENTICATION_CLASSES": []
    if SERVICE == "processor"
    else [
        "accounts.personal_tokens.PersonalTokenAuthentication",
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "myhealth.renderers.OrjsonRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["myhealth.parsers.ObjectParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "myhealth.exception_handler.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "myhealth",
    "DESCRIPTION": "A person's sleep, activity and readiness, as their Oura ring measures them.",
    "VERSION": __version__,
    # By whatever name the document was fetched. Programs that keep a copy need the whole address.
    "SERVERS": [
        {"url": "/", "description": "The server of this document"},
        *([{"url": PUBLIC_URL, "description": "Its public address"}] if SERVICE == "api" else []),
    ],
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["myhealth.schemas.add_components"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}

# Logs and metrics ----------------------------------------------------------------------------

LOG_LEVEL = _choice("LOG_LEVEL", "info", ("debug", "info", "warn", "error"))
LOG_FORMAT = _choice("LOG_FORMAT", "json", ("json", "text"))
LOGGING = logging_config(level=LOG_LEVEL, style=LOG_FORMAT)
LOGGING_CONFIG = "myhealth.logs.configure"
PROMETHEUS_EXPORT_MIGRATIONS = False

if _not_secret & _names:
    _problems.append(
        f"AWS_SECRETS_ID: the secret must not contain {', '.join(sorted(_not_secret & _names))}; "
        "only secrets are read from it."
    )
if _problems:
    raise ImproperlyConfigured(describe(list(dict.fromkeys(_problems))))
if SERVING:
    # Commands keep them, since they may start others.
    forget_secrets()
