import orjson
import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "ingest-token-for-tests"
CONTROL = "control-token-for-tests"


class Processor:
    """A client of the processor's routes."""

    def __init__(self):
        self.client = Client(raise_request_exception=False)

    def post(self, body, *, token=TOKEN, path="/api/v1/ingest", **headers):
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.client.post(
            path,
            raw,
            content_type=headers.pop("content_type", "application/json"),
            headers={"Authorization": f"Bearer {token}", **headers},
        )

    def send(self, *documents, user="ana", type="sleep", **more):
        return self.post({"type": type, "user": user, "data": list(documents), **more})

    def get(self, path, *, token=TOKEN, **query):
        return self.client.get(path, query, headers={"Authorization": f"Bearer {token}"})

    def rows(self, type="sleep", user="ana"):
        answer = self.get(
            f"/api/v1/metrics/{type}", user=user, start="2010-01-01", end="2030-01-01"
        )
        return {row["day"]: row for row in answer.json()}

    def samples(self, name):
        """Return the samples of one metric."""
        families = text_string_to_metric_families(self.client.get("/metrics").content.decode())
        return [each for family in families for each in family.samples if each.name == name]

    def sample(self, name, **labels):
        """Return the value with just these labels, 0 without any."""
        return sum(each.value for each in self.samples(name) if each.labels == labels)


@pytest.fixture
def processor(settings):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    return Processor()
