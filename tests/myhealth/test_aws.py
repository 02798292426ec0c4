"""Settings from AWS Secrets Manager, with an emulator over HTTP."""

import base64
import json
import os
import subprocess
import sys

import boto3
import pytest
import requests

from tests.myhealth.test_settings import VALID, evaluate
from tests.processes import PATIENCE, free_port, wait_until

SECRET = "myhealth/production"


@pytest.fixture(scope="module")
def aws():
    """The environment variables that lead to the emulator."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: requests.get(f"{url}/moto-api/", timeout=1).ok)
    yield {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def create_secret(aws):
    """A function that creates the secret, which is deleted after the test."""
    client = boto3.client(
        "secretsmanager",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name="eu-central-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )

    def create(content):
        text = content if isinstance(content, str) else json.dumps(content)
        client.create_secret(Name=SECRET, SecretString=text)

    yield create
    client.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)


def read_settings(tmp_path, aws, expression, **changed):
    changed = {"HOME": os.environ["HOME"], "AWS_SECRETS_ID": SECRET, **aws, **changed}
    return evaluate(tmp_path, expression, **changed)


def test_secret_sets_what_environment_lacks(tmp_path, aws, create_secret):
    create_secret({"JWT_SECRET": "from-the-secret-" * 3, "DB_PASSWORD": 6543})
    output = read_settings(
        tmp_path,
        aws,
        "settings.JWT_SECRETS, settings.DATABASES['default']['PASSWORD']",
        JWT_SECRET=None,
    )
    assert output == f"{['from-the-secret-' * 3]} 6543"


EVERYTHING = {
    "DB_PASSWORD": "d" * 20,
    "SECRET_KEY": "k" * 50,
    "JWT_SECRET": "j" * 40,
    "INGEST_TOKENS": "i" * 20,
    "CONTROL_TOKENS": "c" * 20,
    "METRICS_TOKEN": "m" * 20,
    "OURA_API_KEY": "o" * 20,
    "OURA_CLIENT_ID": "id",
    "OURA_CLIENT_SECRET": "s" * 20,
    "TOKEN_ENCRYPTION_KEYS": base64.urlsafe_b64encode(bytes(32)).decode(),
    "EMAIL_URL": "smtp+tls://user:word@mail.example:587",
}
SERVER = {"DB_PASSWORD", "SECRET_KEY", "CONTROL_TOKENS", "METRICS_TOKEN"}
OURA = {"OURA_CLIENT_ID", "OURA_CLIENT_SECRET", "TOKEN_ENCRYPTION_KEYS"}


@pytest.mark.parametrize(
    ("process", "needed"),
    [
        ("api", SERVER | OURA | {"JWT_SECRET", "EMAIL_URL"}),
        ("processor", SERVER | {"INGEST_TOKENS"}),
        ("collect_oura", OURA | {"DB_PASSWORD", "INGEST_TOKENS", "OURA_API_KEY"}),
        ("delete_person", OURA | {"DB_PASSWORD", "CONTROL_TOKENS"}),
        ("migrate", {"DB_PASSWORD"}),
    ],
)
def test_process_takes_only_secrets_that_it_needs(aws, create_secret, process, needed):
    create_secret(EVERYTHING)
    assert taken(aws, process, DB_HOST="db.example") == needed


def test_collector_without_database_takes_only_its_tokens(aws, create_secret):
    create_secret(EVERYTHING)
    assert taken(aws, "collect_oura") == {"INGEST_TOKENS", "OURA_API_KEY"}


def taken(aws, process, **settings):
    """Return the names that a process or command has from the secret."""
    code = (
        f"import os; from myhealth import aws; aws.fill_environment({SECRET!r}); print(*os.environ)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "AWS_SECRETS_ID": SECRET,
        "ALLOWED_HOSTS": "health.example",
        "PUBLIC_URL": "https://health.example",
        "VAR_DIR": "/nowhere",
        **settings,
        **aws,
    }
    if process in ("api", "processor"):
        environment["SERVICE"] = process
    command = [sys.executable, "-c", code, process]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split()) & EVERYTHING.keys()


@pytest.mark.parametrize(
    "name", ["LOCAL", "DEBUG", "SERVICE", "ALLOWED_HOSTS", "PROCESSOR_URL", "DB_HOST", "LOG_LEVEL"]
)
def test_secret_with_other_setting_stops_start(tmp_path, aws, create_secret, name):
    create_secret({name: "hush-hush"})
    output = read_settings(tmp_path, aws, "settings.DEBUG", SERVICE="processor")
    assert f"AWS_SECRETS_ID: the secret must not contain {name}" in output
    assert "hush" not in output


def test_names_that_are_no_settings_are_ignored(tmp_path, aws, create_secret):
    create_secret({"username": "someone", "PATH": "/elsewhere", "LOCAL_FILE": "/on"})
    expression = "settings.LOCAL, __import__('os').environ['PATH']"
    assert read_settings(tmp_path, aws, expression) == f"False {os.environ['PATH']}"


def test_environment_overrides_secret(tmp_path, aws, create_secret):
    create_secret({"JWT_SECRET": "from-the-secret-" * 3})
    assert read_settings(tmp_path, aws, "settings.JWT_SECRETS") == str([VALID["JWT_SECRET"]])


def test_file_overrides_secret(tmp_path, aws, create_secret):
    create_secret({"JWT_SECRET": "from-the-secret-" * 3})
    (tmp_path / "jwt").write_text("x" * 40)
    changed = {"JWT_SECRET": None, "JWT_SECRET_FILE": str(tmp_path / "jwt")}
    assert read_settings(tmp_path, aws, "settings.JWT_SECRETS", **changed) == str(["x" * 40])


def test_null_in_secret_sets_nothing(tmp_path, aws, create_secret):
    create_secret({"DB_PASSWORD": None})
    assert read_settings(tmp_path, aws, "repr(settings.DATABASES['default']['PASSWORD'])") == "''"


@pytest.mark.parametrize("content", ["hush-hush", '["hush-hush"]', '{"JWT_SECRET": ["hush-hush"]}'])
def test_malformed_secret_stops_start_and_is_not_printed(tmp_path, aws, create_secret, content):
    create_secret(content)
    output = read_settings(tmp_path, aws, "settings.DEBUG")
    assert "AWS_SECRETS_ID" in output
    assert "hush" not in output


def test_missing_secret_is_named_at_start(tmp_path, aws):
    assert "AWS_SECRETS_ID" in read_settings(tmp_path, aws, "settings.DEBUG")
