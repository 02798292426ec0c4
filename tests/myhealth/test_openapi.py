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


@pytest.mark.parametrize("document", SERVICES, indirect=True)
def test_document_names_its_server(document):
    assert document["servers"][0] == {"url": "/", "description": "The server of this document"}


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


# Routes -------------------------------------------------------------------------------------------


def operations(document):
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize("document", SERVICES, indirect=True)
def test_route_has_a_summary_and_a_tag(document):
    for name, operation in operations(document):
        assert re.fullmatch(r"[A-Z][^.]{5,60}", operation.get("summary", "")), name
        assert len(operation["tags"]) == 1, name
        assert operation["tags"][0].istitle(), name


@pytest.mark.parametrize("document", SERVICES, indirect=True)
def test_route_has_a_type_for_each_answer_with_a_body(document):
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            kinds = answer.get("content", {}).values()
            assert all(kind["schema"] for kind in kinds), f"{name} {status}"
            assert kinds or status in ("204", "304"), f"{name} {status}"


@pytest.mark.parametrize("document", SERVICES, indirect=True)
def test_error_of_a_route_is_a_named_type(document):
    named = {"#/components/schemas/Error", "#/components/schemas/Refusal"}
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                ref = answer["content"]["application/json"]["schema"].get("$ref")
                assert ref in named, f"{name} {status}"
