"""Connecting an Oura account in a real Chromium, on a machine that runs `make run`."""

import pytest
from playwright.sync_api import expect

from tests.end_to_end.test_browser import violations
from tests.processes import wait_until
from tests.scale import full_only


@pytest.fixture
def page(chromium, machine):
    run = machine.start().await_ready()
    made = machine.command(
        "manage.py", "ensure_user", "ben", PASSWORD="correct horse", LOG_LEVEL="error"
    )
    assert made.returncode == 0, made.stderr
    context = chromium.new_context(base_url=run.url)
    page = context.new_page()
    page.goto("/account/")
    page.get_by_label("User name").fill("ben")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account/")
    yield page
    context.close()


def consent(page, button, decision):
    page.get_by_role("button", name=button).click()
    assert violations(page) == []
    page.get_by_label("ben").check()
    page.get_by_role("button", name=decision).click()


@full_only
def test_history_arrives_at_once_and_when_asked_for(page, machine):
    assert violations(page) == []
    consent(page, "Connect Oura", "Deny")
    expect(page.get_by_role("alert")).to_contain_text("You declined")
    page.get_by_role("link", name="Go back to your account").click()
    consent(page, "Connect Oura", "Allow")
    expect(page.get_by_text("Connected.", exact=True)).to_be_visible()
    assert violations(page) == []
    # This page does not move by itself.
    wait_until(lambda: page.reload() and page.get_by_role("button", name="Collect now").count())
    expect(page.get_by_text("Collecting now")).to_have_count(0)
    assert violations(page) == []
    page.goto("/")
    expect(page.locator(".card.sleep .score")).not_to_have_text("–")

    # It is one of `make run`, which waits for who asks, but not more often than once a minute.
    code = (
        "from datetime import timedelta; from oura.models import Connection as C; "
        "[it] = C.objects.all(); it.collected_at -= timedelta(hours=5); "
        "it.asked_at -= timedelta(minutes=5); it.finished_at -= timedelta(minutes=5); it.save()"
    )
    assert machine.command("manage.py", "shell", "--no-imports", "-c", code).returncode == 0
    page.goto("/account/")
    expect(page.get_by_text("5 hours ago")).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="Collect now").click()
    wait_until(lambda: page.goto("/account/") and not page.get_by_text("5 hours ago").count())


@full_only
def test_disconnecting_asks_first(page):
    consent(page, "Connect Oura", "Allow")
    button = page.get_by_role("button", name="Disconnect Oura")
    expect(button).to_be_hidden()
    page.get_by_text("Disconnect Oura").first.click()
    assert violations(page) == []
    button.click()
    expect(page.get_by_role("status")).to_contain_text("Disconnected")
    consent(page, "Connect Oura", "Allow")
    expect(page.get_by_text("Connected since")).to_be_visible()
