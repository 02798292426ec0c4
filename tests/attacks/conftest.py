import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from accounts.tokens import issue_tokens
from myhealth.serve import allow_connections
from tests.attacks.attacking import CONTROL_TOKEN, Browser, Deployed, Watch
from tests.processes import TOKEN, database_environment
from tests.worlds import PASSWORDS

# What migrations make, and running services remember.
KEPT = ("django_migrations", "django_content_type", "auth_permission")


@pytest.fixture(scope="session", autouse=True)
def many_connections():
    allow_connections()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="session")
def database_settings(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return database_environment()


@pytest.fixture(scope="session")
def processor_of_all(database_settings, folder):
    service = Deployed(
        "processor", folder, **database_settings, INGEST_TOKENS=TOKEN, CONTROL_TOKENS=CONTROL_TOKEN
    )
    yield service.start()
    service.stop()


@pytest.fixture(scope="session")
def api_of_all(database_settings, folder, processor_of_all):
    settings = {"CONTROL_TOKENS": CONTROL_TOKEN, "PROCESSOR_URL": processor_of_all.url}
    service = Deployed("api", folder, **database_settings, **settings)
    yield service.start()
    service.stop()


@pytest.fixture
def transactional_db(django_db_setup, django_db_blocker):
    """The database, which is emptied afterwards, but for what services remember."""
    with django_db_blocker.unblock():
        yield
        with connection.cursor() as cursor:
            names = set(connection.introspection.table_names(cursor)) - set(KEPT)
            cursor.execute(f"TRUNCATE {', '.join(map(connection.ops.quote_name, names))} CASCADE")


@pytest.fixture
def remembered(transactional_db):
    """Changes when other tests have emptied the database."""
    return ContentType.objects.filter(app_label="accounts", model="user").get().pk


@pytest.fixture
def processor(remembered, processor_of_all):
    return processor_of_all.mend(remembered)


@pytest.fixture
def api(remembered, api_of_all):
    return api_of_all.mend(remembered)


@pytest.fixture(scope="session")
def hashed():
    """The passwords, hashed as in production: else each sign-in would change the account."""
    hasher = PBKDF2PasswordHasher()
    return {name: hasher.encode(text, hasher.salt()) for name, text in PASSWORDS.items()}


@pytest.fixture
def ana(transactional_db, hashed):
    return get_user_model().objects.create(username="ana", password=hashed["ana"])


@pytest.fixture
def ben(transactional_db, hashed):
    return get_user_model().objects.create(username="ben", password=hashed["ben"])


@pytest.fixture
def log_in(api):
    """Returns new tokens of a person, without the work of checking a password."""
    return issue_tokens


@pytest.fixture
def browse(api):
    """Returns a browser in which a person is signed in, without the work of checking a password."""

    def browse(person):
        client = Client()
        client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[-1])
        browser = Browser(api)
        browser.get("/accounts/login/")
        prefix = browser.cookie("csrftoken").removesuffix("csrftoken")
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        browser.cookies[f"{prefix}sessionid"] = session
        return browser

    return browse


@pytest.fixture
def watch(api, processor, ana, log_in):
    """Watches both services, once it is entered."""
    return Watch(api, log_in(ana)["access"], processor)
