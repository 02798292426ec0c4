"""The OpenAPI documents of both services."""

import re

import pytest

from myhealth.schemas import add_components, component

SERVICES = ("api", "processor")


@pytest.fixture
def document(client, settings, request):
    settings.ROOT_URLCONF = f"myhealth.urls.{request.param}"
    answer = client.get("/api/schema/", headers={"Accept": "application/json"})
    return {**answer.json(), "text": answer.text}


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("api", {"Sleep", "Activity", "Readiness", "Day", "Dashboard", "Coverage", "Error"}),
        ("processor", {"SleepDocument", "Outcome", "Refusal", "Ledger", "Error"}),
    ],
    indirect=["document"],
)
def test_document_has_components_with_names(document, names):
    assert names <= document["components"]["schemas"].keys()


@pytest.mark.parametrize("document", SERVICES, indirect=True)
def test_document_has_just_the_components_it_refers_to(document):
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', document["text"]))
    assert referred == document["components"]["schemas"].keys()


def test_component_brings_those_that_it_refers_to():
    inner = component("InnerOfTest", {"type": "string"})
    outer = component("OuterOfTest", {"type": "array", "items": inner})
    document = add_components({"paths": {"/": {"get": [outer]}}})
    assert set(document["components"]["schemas"]) == {"InnerOfTest", "OuterOfTest"}


def test_name_of_a_component_is_given_once():
    component("OnceInTest", {"type": "string"})
    component("OnceInTest", {"type": "string"})
    with pytest.raises(ValueError, match="Another schema is named OnceInTest"):
        component("OnceInTest", {"type": "integer"})
