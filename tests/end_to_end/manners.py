"""What a page must be to everybody: with small and wide screens, large texts, a keyboard, a thumb,
a screen reader, other colours, and on paper.
"""

from tests.end_to_end.test_browser import violations
from tests.end_to_end.test_pages_in_browser import BROKEN_WORDS, TWICE_AS_LARGE, overflows

WIDTHS = (320, 390, 768, 1280, 1920)
PHONE = {"width": 390, "height": 844}

AS_LARGE_AS_BEFORE = "() => { document.adoptedStyleSheets = [] }"

# What a thumb has to hit and can't: all but links within a sentence, which is as tall as its line.
SMALL_TARGETS = """() => {
    const within = each => {
        const block = each.closest("p, li, td, th, dd, .sample")
        return block && block.textContent.trim() !== each.textContent.trim()
    }
    const area = each => {
        // A link may cover the box around it.
        const cover = getComputedStyle(each, "::after").position === "absolute"
        return (cover ? each.offsetParent : each).getBoundingClientRect()
    }
    const targets = "a[href], button, select, summary, input:not([type=hidden])"
    return [...document.querySelectorAll(targets)]
        .filter(each => each.checkVisibility() && !each.closest(".skip, svg, .links"))
        .filter(each => !within(each))
        .filter(each => area(each).height < 43.5 || area(each).width < 24)
        .map(each => `small target: ${each.outerHTML.slice(0, 120)}`)
}"""

# What a screen reader would say badly, and axe does not see.
UNSPOKEN = """() => {
    const all = what => [...document.querySelectorAll(what)], found = []
    const levels = all("h1, h2, h3, h4").map(each => Number(each.tagName[1]))
    if (levels[0] !== 1 || levels.filter(each => each === 1).length !== 1)
        found.push(`headings begin badly: ${levels}`)
    if (levels.some((each, i) => i && each > levels[i - 1] + 1))
        found.push(`headings leave out a level: ${levels}`)
    if (all("main").length !== 1) found.push("no main")
    const names = all("nav").map(each => each.getAttribute("aria-label"))
    if (names.some(each => !each)) found.push("a nav without a name")
    for (const each of all("[aria-describedby], [aria-labelledby]"))
        for (const id of `${each.getAttribute("aria-describedby") || ""} ${
            each.getAttribute("aria-labelledby") || ""}`.split(" "))
            if (id && !document.getElementById(id)) found.push(`names what is not there: ${id}`)
    for (const each of all("[aria-invalid]"))
        if (!each.getAttribute("aria-describedby")) found.push(`error without words: ${each.name}`)
    for (const each of all("main .error"))
        if (!each.closest("[role=alert], [role=status]"))
            found.push(`not announced: ${each.textContent}`)
    const ids = all("[id]").map(each => each.id)
    for (const id of ids.filter((each, i) => ids.indexOf(each) !== i)) found.push(`id twice: ${id}`)
    return found
}"""

# What looks like its surroundings where a person's own colours replace ours.
SAME_AS_TEXT = """() => [...document.querySelectorAll("button:not(.plain), [aria-current]")]
    .filter(each => each.checkVisibility())
    .filter(each => {
        const style = getComputedStyle(each)
        return each.matches("button") ? parseFloat(style.borderTopWidth) < 1
            : !style.textDecorationLine.includes("underline")
    })
    .map(each => `looks like text: ${each.outerHTML.slice(0, 120)}`)"""

# On paper: dark ink, nothing to press, no card without content.
BADLY_PRINTED = """() => {
    const found = [], seen = what => [...document.querySelectorAll(what)].filter(
        each => each.checkVisibility())
    const ink = getComputedStyle(document.body).color.match(/\\d+/g).map(Number)
    if (Math.max(...ink) > 128) found.push(`light ink: ${ink}`)
    for (const each of seen("button, input, select, nav"))
        found.push(`printed: ${each.outerHTML.slice(0, 120)}`)
    for (const each of seen(".card"))
        if (each.innerText.trim() === each.querySelector("h2")?.innerText.trim())
            found.push(`an empty card: ${each.innerText}`)
    return found
}"""

# What has the focus: its number in the document, its ring, and whether something lies over it.
FOCUSED = """() => {
    const each = document.activeElement
    if (!each || each === document.body) return null
    const box = each.getClientRects()[0] || each.getBoundingClientRect()
    const top = document.elementFromPoint(
        (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2, (box.top + box.bottom) / 2)
    const cover = each.closest("label") || each
    return {
        number: [...document.querySelectorAll("*")].indexOf(each),
        html: each.outerHTML.slice(0, 120),
        // A link may cover the box around it.
        ring: [null, "::after"].map(part => getComputedStyle(each, part)).some(
            style => parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none"),
        seen: !!top && (cover.contains(top) || top.contains(each)),
    }
}"""


def faults_of_keyboard(page):
    """Go through the page with the Tab key, once from its beginning to its end."""
    found, last = [], -1
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0) }")
    page.evaluate("() => { getSelection().setPosition(document.body, 0) }")
    for _ in range(500):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None or at["number"] < last:
            return found
        # A date has several places of its own.
        if at["number"] == last and 'type="date"' not in at["html"]:
            return [*found, f"keyboard is trapped: {at['html']}"]
        last = at["number"]
        found += [f"no ring: {at['html']}"] * (not at["ring"])
        found += [f"focus is hidden: {at['html']}"] * (not at["seen"])
    return [*found, "keyboard finds no end"]


def faults_of_sizes(page, widths=WIDTHS):
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 844})
        if overflows(page):
            found.append(f"needs scrolling to the side at {width}")
    page.set_viewport_size(PHONE)
    page.evaluate(TWICE_AS_LARGE)
    if overflows(page):
        found.append("needs scrolling to the side with large texts")
    found += [f"broken: {word}" for word in page.evaluate(BROKEN_WORDS)]
    page.evaluate(AS_LARGE_AS_BEFORE)
    return found


def faults_of_colours(page):
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += [(scheme, *each) for each in violations(page)]
    page.emulate_media(color_scheme="dark", forced_colors="active")
    found += page.evaluate(SAME_AS_TEXT)
    page.emulate_media(color_scheme="dark", forced_colors="none", media="print")
    found += page.evaluate(BADLY_PRINTED)
    page.emulate_media(color_scheme="light", media="screen")
    return found


def faults(page):
    """Return all that is wrong with a page that is open."""
    page.set_viewport_size(PHONE)
    found = [*faults_of_colours(page), *page.evaluate(SMALL_TARGETS), *page.evaluate(UNSPOKEN)]
    found += faults_of_keyboard(page)
    if page.evaluate("document.getAnimations().length"):
        found.append("moves")
    return [*found, *faults_of_sizes(page)]
