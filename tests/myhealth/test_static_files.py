"""Static files that are collected: compressed, and under names that browsers may keep."""

import re

import pytest
from django.core.management import call_command
from django.test import Client, override_settings

from tests.myhealth.test_errors_in_browsers import BROWSER

COLLECTED = {"staticfiles": {"BACKEND": "myhealth.static_files.CollectedFiles"}}
LINKED = re.compile(r"""(?:href|src)=["'](/static/[^"']+)""")
HASH = re.compile(r"\.[0-9a-f]{12}\.")
PAGES = ("/accounts/login/", "/", "/nothing/", "/api/docs/", "/api/v1/sleep", "/admin/")


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    with override_settings(STATIC_ROOT=str(folder), STORAGES=COLLECTED):
        call_command("collectstatic", "--noinput", "--ignore=redoc", verbosity=0)
    return folder


@pytest.fixture
def with_collected(settings, collected):
    settings.STORAGES, settings.STATIC_ROOT = COLLECTED, str(collected)


@pytest.fixture
def style(with_collected):
    return LINKED.findall(Client().get("/nothing/", headers=BROWSER).content.decode())[-1]


def get(path, **headers):
    answer = Client().get(path, headers=headers)
    answer.bytes = answer.getvalue()
    answer.close()
    return answer


def test_collected_file_is_kept_for_years(style):
    assert HASH.search(style)
    assert "immutable" in get(style).headers["Cache-Control"]


def test_collected_file_is_sent_compressed(style):
    answer = get(style, accept_encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.bytes) < len(get(style).bytes) / 2


def test_plain_name_is_kept_briefly(with_collected):
    answer = get("/static/myhealth/style.css")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "max-age=60, public")


def test_file_of_another_version_is_answered_with_this_ones(style):
    answer = get(HASH.sub(".000000000000.", style))
    assert (answer.status_code, answer.bytes) == (200, get(style).bytes)
    assert "immutable" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", PAGES)
def test_all_files_that_a_page_names_are_there(with_collected, admin, path):
    names = LINKED.findall(admin.get(path, headers=BROWSER, follow=True).content.decode())
    assert names
    for name in names:
        assert HASH.search(name)
        assert get(name).status_code == 200


def test_page_needs_no_collected_files(settings, tmp_path):
    settings.STORAGES, settings.STATIC_ROOT = COLLECTED, str(tmp_path)
    names = LINKED.findall(Client().get("/nothing/", headers=BROWSER).content.decode())
    assert "/static/myhealth/style.css" in names
    assert [get(name).status_code for name in names] == [200] * len(names)
