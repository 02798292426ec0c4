"""Settings from AWS Secrets Manager, asked of an emulator over HTTP."""

import json
import os
import subprocess
import sys

import boto3
import pytest
import requests

from tests.myhealth.test_settings import GOOD, shown
from tests.processes import free_port, wait_until

SECRET = "myhealth/production"


@pytest.fixture(scope="module")
def aws():
    """The environment in which AWS is the emulator."""
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
    process.wait(10)


@pytest.fixture
def keep(aws):
    """Keeps a secret for the length of a test."""
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


def settings(tmp_path, aws, expression, **changed):
    changed = {"HOME": os.environ["HOME"], "AWS_SECRETS_ID": SECRET, **aws, **changed}
    return shown(tmp_path, expression, **changed)


def test_the_secret_fills_what_the_environment_leaves_out(tmp_path, aws, keep):
    keep({"JWT_SECRET": "from-the-secret-" * 3, "DB_PORT": 6543})
    told = settings(
        tmp_path,
        aws,
        "settings.JWT_SECRETS, settings.DATABASES['default']['PORT']",
        JWT_SECRET=None,
    )
    assert told == f"{['from-the-secret-' * 3]} 6543"


def test_the_environment_is_stronger_than_the_secret(tmp_path, aws, keep):
    keep({"JWT_SECRET": "from-the-secret-" * 3})
    assert settings(tmp_path, aws, "settings.JWT_SECRETS") == str([GOOD["JWT_SECRET"]])


def test_a_file_is_stronger_than_the_secret(tmp_path, aws, keep):
    keep({"JWT_SECRET": "from-the-secret-" * 3})
    (tmp_path / "jwt").write_text("x" * 40)
    changed = {"JWT_SECRET": None, "JWT_SECRET_FILE": str(tmp_path / "jwt")}
    assert settings(tmp_path, aws, "settings.JWT_SECRETS", **changed) == str(["x" * 40])


def test_a_null_of_the_secret_sets_nothing(tmp_path, aws, keep):
    keep({"DB_PASSWORD": None})
    assert settings(tmp_path, aws, "repr(settings.DATABASES['default']['PASSWORD'])") == "''"


@pytest.mark.parametrize("content", ["hush-hush", '["hush-hush"]', '{"LOCAL": ["hush-hush"]}'])
def test_a_secret_of_another_form_stops_the_start_and_is_not_shown(tmp_path, aws, keep, content):
    keep(content)
    told = settings(tmp_path, aws, "settings.DEBUG")
    assert "AWS_SECRETS_ID" in told
    assert "hush" not in told


def test_a_missing_secret_stops_the_start_by_name(tmp_path, aws):
    assert "AWS_SECRETS_ID" in settings(tmp_path, aws, "settings.DEBUG")
