"""What hands, phones and networks do to the page that nobody means to."""

import pytest

from tests.serving.test_page import CROSS, browser, draw, label, page, pytestmark, shown

__all__ = ["browser", "page", "pytestmark"]

SCRIBBLE = """() => {
  const pad = document.querySelector('#pad'), box = pad.getBoundingClientRect();
  const send = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, button: 0, isPrimary: true, clientX: box.left + x, clientY: box.top + y, bubbles: true}));
  send('pointerdown', 100, 100);
  for (let i = 0; i < 10000; i += 1) {
    send('pointermove', 200 + (i / 60) * Math.cos(i * .7), 200 + (i / 60) * Math.sin(i * .7));
  }
  send('pointerup', 200, 200);
}"""


def sent_by(page):
    sent = []
    page.on("request", lambda request: sent.append(request) if "/search" in request.url else None)
    return sent


def test_a_stroke_of_ten_thousand_points_is_thinned_and_not_cut_off(page):
    sent = sent_by(page)
    page.evaluate(SCRIBBLE)
    shown(page, 12)
    (stroke,) = sent[-1].post_data_json["strokes"]
    assert 1000 < len(stroke[0]) <= 4000
    radius = max(((x - 256) ** 2 + (y - 256) ** 2) ** 0.5 for x, y in zip(*stroke, strict=True))
    assert radius > 150  # the last turns are there


@pytest.mark.parametrize("page", [{"viewport": {"width": 844, "height": 390}}], indirect=True)
def test_a_phone_that_is_turned_shows_the_whole_sketch(page):
    sent = sent_by(page)
    box = page.locator("#pad").bounding_box()
    assert box["y"] + box["height"] < 390
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 20, steps=9)
    page.mouse.up()
    shown(page, 12)
    ((xs, _),) = sent[-1].post_data_json["strokes"]
    assert max(xs) > 512  # beyond the middle square
    page.set_viewport_size({"width": 390, "height": 844})
    inked = """() => { const pad = document.querySelector('#pad'), {width, height} = pad;
      const data = pad.getContext('2d').getImageData(0, 0, width, height).data, at = [];
      for (let i = 3; i < data.length; i += 4) if (data[i]) at.push(((i - 3) / 4) % width);
      return [at.reduce((a, b) => Math.min(a, b)) / width, at.reduce((a, b) => Math.max(a, b)) / width]; }"""
    page.wait_for_function("() => document.querySelector('#pad').clientWidth < 370")
    page.wait_for_timeout(100)
    left, right = page.evaluate(inked)
    assert 0 < left < right < 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_server_that_is_gone_is_asked_again_but_not_at_once(browser, server):
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("#examples button")
    sent = sent_by(page)
    page.route("**/search", lambda route: route.abort())
    page.click("#examples button")
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("#problem") == "The server cannot be reached. The page asks again by itself."
    page.wait_for_timeout(500)
    assert len(sent) == 1
    page.unroute("**/search")
    shown(page, 12)
    assert page.is_hidden("#problem")
    assert len(sent) == 2
    page.close()


def test_a_file_that_is_too_large_is_not_sent(page):
    sent = sent_by(page)
    draw(page, CROSS)
    shown(page, 12)
    asked = len(sent)
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG" + b"a" * (9 << 20)})
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("#problem") == "a.png has 10 MiB; take one of at most 8."
    assert label(page) == "Drawing area, 2 strokes"
    assert len(sent) == asked


@pytest.mark.parametrize("page", [{"viewport": {"width": 320, "height": 640}}], indirect=True)
def test_long_names_and_no_photos_fit_a_narrow_page(page):
    where = {"photo": "/page/icon.svg", "thumbnail": "/page/icon.svg"}
    hits = [{"rank": 1, "id": "x" * 250 + "/" + "long name " * 20, "score": 0.5, **where}]
    page.route("**/search", lambda route: route.fulfill(json={"hits": hits, "photos": 1, "milliseconds": {}}))
    page.click("#examples button")
    shown(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.click("#results button")
    assert page.locator("#viewer").evaluate("it => it.scrollWidth <= it.clientWidth")
    page.keyboard.press("Escape")
    hits.clear()
    page.click("#mirror")
    shown(page, 0)
    assert page.inner_text("#status") == "The index holds no photos."
    assert page.is_hidden("#nothing")
