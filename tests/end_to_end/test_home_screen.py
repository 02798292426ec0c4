"""The pages on the home screen of a phone."""

import base64
import shutil
import struct

import pytest

from tests.end_to_end.conftest import ARGUMENTS, BROWSERS
from tests.end_to_end.test_browser import signed_in_page
from tests.scale import full_only

# A phone without a button, held upright and turned.
NOTCH = {"top": 47, "bottom": 34, "left": 0, "right": 0}
TURNED = {"top": 0, "bottom": 21, "left": 47, "right": 47}


@pytest.fixture
def stranger(chromium, api_process, transactional_db):
    """A page for someone who is not signed in, and its protocol."""
    context = chromium.new_context(base_url=api_process.environment["PUBLIC_URL"])
    page = context.new_page()
    page.goto("/")
    yield page, context.new_cdp_session(page)
    context.close()


def test_browser_finds_no_fault_with_the_manifest(stranger):
    _, protocol = stranger
    found = protocol.send("Page.getAppManifest")
    assert (found["errors"], found["manifest"]["display"]) == ([], "kStandalone")
    assert found["url"].endswith("/manifest.webmanifest")


def test_browser_would_install_it(chromium, api_process, transactional_db, tmp_path):
    path = next(found for name in BROWSERS if (found := shutil.which(name)))
    # Not the private windows of other tests, which install nothing.
    window = chromium.browser_type.launch_persistent_context(
        tmp_path, executable_path=path, args=ARGUMENTS
    )
    page = window.new_page()
    page.goto(api_process.environment["PUBLIC_URL"])
    protocol = window.new_cdp_session(page)
    assert protocol.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
    window.close()


def test_icons_have_the_sizes_that_are_said(stranger):
    page, protocol = stranger
    icons = protocol.send("Page.getAppManifest")["manifest"]["icons"]
    touch = page.get_attribute("link[rel=apple-touch-icon]", "href")
    said = {each["url"]: each["sizes"] for each in icons} | {touch: "180x180"}
    assert len(said) == 4
    for url, sizes in said.items():
        # The size stands behind the signature and the name of the first chunk.
        width, height = struct.unpack(">II", page.request.get(url).body()[16:24])
        assert sizes == f"{width}x{height}"


@pytest.mark.parametrize(("scheme", "colour"), [("light", "#f5f6f8"), ("dark", "#11151b")])
def test_bars_of_the_phone_have_the_colour_of_the_page(stranger, scheme, colour):
    page, _ = stranger
    page.emulate_media(color_scheme=scheme)
    named = page.get_attribute(f"meta[name=theme-color][media*={scheme}]", "content")
    red, green, blue = base64.b16decode(colour[1:].upper())
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (named, background) == (colour, f"rgb({red}, {green}, {blue})")


@full_only
@pytest.mark.parametrize(
    ("size", "insets"), [((390, 844), NOTCH), ((568, 320), TURNED)], ids=["upright", "turned"]
)
def test_nothing_lies_under_the_edges_of_a_phone(
    chromium, api_process, transactional_db, ana, size, insets
):
    with signed_in_page(chromium, api_process, *size) as page:
        protocol = page.context.new_cdp_session(page)
        protocol.send("Emulation.setSafeAreaInsetsOverride", {"insets": insets})
        boxes = page.evaluate(
            "[...document.querySelectorAll('.sections a, main > *')]"
            ".filter(each => each.checkVisibility()).map(each => {"
            " const {left, right, bottom} = each.getBoundingClientRect();"
            " return [left, innerWidth - right, innerHeight - bottom] })"
        )
        assert min(left for left, _, _ in boxes) >= insets["left"]
        assert min(right for _, right, _ in boxes) >= insets["right"]
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        bar = page.locator(".sections a").first.bounding_box()
        assert bar["y"] + bar["height"] <= size[1] - insets["bottom"]
        end = page.locator(".bottom").bounding_box()
        assert end["y"] + end["height"] <= bar["y"]
