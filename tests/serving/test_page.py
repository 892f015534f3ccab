"""The page in a real browser: drawn on, undone, cleared, uploaded to, used by keys alone and on a phone."""

import re
import shutil
from urllib.parse import urlsplit

import numpy as np
import pytest

from hybrid_sbir.data.strokes import rasterize
from tests.serving.running import serving
from tests.serving.test_searching import SVG, drawing, png

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt install chromium)"),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, server, request):
    """The page, opened; at the end no error was said and no other machine was asked for anything."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **getattr(request, "param", {})})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    opened.goto(server.url)
    opened.wait_for_selector("#examples button")
    yield opened
    context.close()
    assert not said
    assert {urlsplit(url).hostname for url in asked if not url.startswith("blob:")} == {"127.0.0.1"}


def draw(page, strokes, press=None):
    """Draw with the mouse, strokes on a square of 256."""
    box = page.locator("#pad").bounding_box()
    scale = 0.8 * min(box["width"], box["height"]) / 256
    for xs, ys in strokes:
        points = [(box["x"] + 30 + x * scale, box["y"] + 20 + y * scale) for x, y in zip(xs, ys, strict=True)]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()


CROSS = [([20, 200], [20, 200]), ([20, 200], [200, 20])]


def label(page):
    return page.locator("#pad").get_attribute("aria-label")


def shown(page, count):
    page.wait_for_function(
        "n => document.querySelectorAll('#results img').length === n && !document.querySelector('#results.old')"
        " && [...document.querySelectorAll('#results img')].every(i => i.complete && i.naturalWidth > 0)",
        arg=count,
    )
    return page.locator("#results button").evaluate_all("all => all.map(b => b.title)")


def test_what_is_drawn_is_searched_as_training_would_see_it(page, server, monkeypatch):
    seen, prepare = [], server.search.encoder.prepare

    def recorded(image, domain):
        seen.append(np.asarray(image))
        return prepare(image, domain)

    monkeypatch.setattr(server.search.encoder, "prepare", recorded)
    sent = []
    page.on("request", lambda request: sent.append(request.post_data_json) if "/search" in request.url else None)
    draw(page, [stroke.tolist() for stroke in drawing()])
    found = shown(page, 12)
    strokes = [np.array(stroke) for stroke in sent[-1]["strokes"]]
    assert len(strokes) == len(drawing())
    assert np.abs(seen[-1].astype(int) - rasterize(strokes, 256)).max() == 0
    assert found == [hit.id for hit in server.search.search(strokes, 12)]
    assert re.match(r"12 of 24 in \d+ ms; nearest: class", page.inner_text("#status"))


def test_results_come_while_the_hand_draws(page):
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(box["x"] + 50 + 5 * step, box["y"] + 50 + 3 * step)
    shown(page, 12)
    page.mouse.up()


def test_undo_redo_and_clear(page):
    draw(page, CROSS)
    assert label(page) == "Drawing area, 2 strokes"
    page.click("#undo")
    assert label(page) == "Drawing area, 1 stroke"
    page.click("#redo")
    assert label(page) == "Drawing area, 2 strokes"
    shown(page, 12)
    page.click("#clear")
    assert label(page) == "Drawing area, empty"
    shown(page, 0)
    assert page.is_visible("#nothing")
    assert page.is_disabled("#clear")
    page.click("#undo")
    shown(page, 12)


def test_late_answers_do_not_come_back_after_clearing(page):
    held = []
    page.route("**/search", lambda route: held.append(route))
    draw(page, CROSS)
    page.wait_for_function("() => document.querySelector('#results.old') !== null")
    page.click("#clear")
    page.wait_for_timeout(100)
    for route in held:
        route.continue_()
    page.wait_for_timeout(700)
    shown(page, 0)


def test_keys_do_what_the_buttons_do(page):
    draw(page, CROSS)
    page.keyboard.press("Control+z")
    assert label(page) == "Drawing area, 1 stroke"
    page.keyboard.press("Control+Shift+z")
    assert label(page) == "Drawing area, 2 strokes"
    page.keyboard.press("Delete")
    assert label(page) == "Drawing area, empty"
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    assert label(page) == "Drawing area, 2 strokes"


def test_without_a_hand_that_draws_the_keyboard_is_enough(page):
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
        if str(reached[-1]).startswith("Example: airplane"):
            break
    assert reached[0] is None or "Skip" in str(reached[0]) or reached[0] == ""
    assert [name for name in reached if name] == ["pad", "upload", "count", "mirror", "explain", "Example: airplane"]
    page.keyboard.press("Enter")
    names = shown(page, 12)
    assert "example airplane" in label(page)
    assert names[0] in page.inner_text("#status")
    page.locator("#results button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
    assert names[0] in page.inner_text("#viewer-name")
    page.keyboard.press("ArrowRight")
    assert names[1] in page.inner_text("#viewer-name")
    page.wait_for_function("() => document.querySelector('#viewer-picture').naturalWidth > 0")
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    assert page.evaluate("document.activeElement.title") == names[0]


def test_pictures_are_uploaded(page):
    page.set_input_files("#file", {"name": "mine.png", "mimeType": "image/png", "buffer": png()})
    shown(page, 12)
    assert label(page) == "Drawing area, with the picture mine.png"
    draw(page, CROSS[:1])
    assert label(page) == "Drawing area, 1 stroke"
    page.click("#undo")
    assert label(page) == "Drawing area, with the picture mine.png"
    page.set_input_files("#file", {"name": "mine.svg", "mimeType": "image/svg+xml", "buffer": SVG})
    shown(page, 12)


def test_a_file_that_is_no_picture_is_said_to_be(browser, server):
    page = browser.new_page()
    page.goto(server.url)
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("#problem:not([hidden])")
    assert "not an image in any of the formats" in page.inner_text("#problem")
    assert page.get_attribute("#problem", "role") == "alert"
    page.close()


def test_options_change_the_results(page):
    draw(page, CROSS)
    shown(page, 12)
    page.select_option("#count", "6")
    shown(page, 6)
    page.select_option("#count", "24")
    before = shown(page, 24)
    with page.expect_response("**/search") as answered:
        page.check("#mirror")
    assert answered.value.request.post_data_json["mirror"] is True
    assert sorted(shown(page, 24)) == sorted(before)


@pytest.mark.parametrize(
    "page",
    [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}],
    indirect=True,
)
def test_on_a_phone_a_finger_draws_and_the_page_stays(page):
    box = page.locator("#pad").bounding_box()
    touch = page.context.new_cdp_session(page)

    def finger(kind, *points):
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]},
        )

    finger("touchStart", (60, 60))
    for step in range(20):
        finger("touchMove", (60 + 10 * step, 60 + 8 * step))
    finger("touchEnd")
    shown(page, 12)
    assert label(page) == "Drawing area, 1 stroke"
    assert page.evaluate("window.scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = page.locator("button:visible").evaluate_all("all => all.map(b => b.getBoundingClientRect().height)")
    assert min(sizes) >= 24  # WCAG 2.2, 2.5.8
    finger("touchStart", (60, 60), (200, 60))  # a second finger draws nothing
    finger("touchMove", (60, 160), (200, 160))
    finger("touchEnd")
    assert label(page) == "Drawing area, 2 strokes"


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_names_roles_and_contrast(page):
    draw(page, CROSS)
    shown(page, 12)
    tree = page.locator("body").aria_snapshot()
    for each in (
        "heading", "img \"Drawing area, 2 strokes\"", "toolbar \"Sketch\"", "button \"Undo\"", "button \"Clear\"",
        "button \"Upload\"", "checkbox \"Mirrored too\"", "combobox \"Photos\"", "list \"Photos found\"", "status",
        "button \"Example: fish\"", "link \"Skip to the photos found\"",
    ):  # fmt: skip
        assert each in tree, tree
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, a, img, canvas, dialog')].filter(each =>
            !each.closest('[hidden]') && each.type !== 'text' && !(each.getAttribute('aria-label')
            ?? each.getAttribute('aria-labelledby') ?? each.getAttribute('alt') ?? each.labels?.[0]?.textContent
            ?? '').trim() && !each.textContent.trim() && !(each.tagName === 'IMG' && each.hasAttribute('alt'))
        ).map(each => each.outerHTML)"""
    )
    assert not unnamed
    assert page.get_attribute("html", "lang") == "en"
    assert min(page.evaluate(CONTRASTS).values()) >= 4.5, page.evaluate(CONTRASTS)


# Of each piece of text, the contrast to the nearest ground that is painted (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data]; };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = each => { for (; each; each = each.parentElement) {
    const colour = rgb(getComputedStyle(each).backgroundColor); if (colour[3] > 180) return colour; }
    return [255, 255, 255]; };
  const found = {};
  for (const each of document.querySelectorAll('h1, h2, h3, p, label, a, button, footer span, .score, .rank')) {
    if (!each.offsetParent || !each.textContent.trim() || each.matches(':disabled, .hidden, .drop')) continue;
    const [a, b] = [light(rgb(getComputedStyle(each).color)), light(ground(each))];
    found[each.tagName + '#' + each.id + '.' + each.className] = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  }
  return found;
}"""


def test_a_server_with_a_token_asks_for_it_once(browser, index):
    with serving(index, token="a-token-of-enough-letters") as running:
        page = browser.new_page()
        page.goto(running.url)
        page.wait_for_selector("#examples button")
        page.click("#examples button")
        page.wait_for_selector("#door[open]")
        page.fill("#door-token", "another")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelector('#door-problem').textContent.includes('not the token')")
        page.fill("#door-token", "a-token-of-enough-letters")
        page.keyboard.press("Enter")
        shown(page, 12)
        assert "24 photos" in page.inner_text("#about")
        page.close()


def test_a_busy_server_is_asked_again(browser, server):
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("#examples button")
    busy = [True]

    def answer(route):
        if busy.pop():
            busy.append(False)
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"message": "full"})
        else:
            busy.append(False)
            route.continue_()

    page.route("**/search", answer)
    page.click("#examples button")
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("#problem") == "Full. The page asks again by itself."
    shown(page, 12)
    assert page.is_hidden("#problem")
    page.close()
