"""Connecting an Oura account in a real Chromium, on a machine that runs `make run`."""

import pytest
from playwright.sync_api import expect

from tests.end_to_end.test_browser import violations
from tests.processes import wait_until


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


def test_connecting_brings_the_history_and_ends_when_asked(page):
    assert violations(page) == []
    consent(page, "Connect Oura", "Deny")
    expect(page.get_by_role("alert")).to_contain_text("You declined")
    page.get_by_role("link", name="Go back to your account").click()
    consent(page, "Connect Oura", "Allow")
    expect(page.get_by_role("status")).to_contain_text("history will be collected")

    def collected():
        page.goto("/account/")
        return page.get_by_text("The first is on its way").count() == 0

    wait_until(collected, 60)
    assert violations(page) == []
    page.goto("/")
    expect(page.locator(".card.sleep .score")).not_to_have_text("–")
    page.goto("/account/")
    page.get_by_role("button", name="Disconnect Oura").click()
    expect(page.get_by_role("status")).to_contain_text("Disconnected")
    consent(page, "Connect Oura", "Allow")
    expect(page.get_by_text("Connected since")).to_be_visible()
