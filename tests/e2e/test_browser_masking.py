"The explorer of image masking in a real browser: F and I′ are `erased`'s, to the bit; the switches change them before Python hears of it."
from itertools import product

import numpy as np
import pytest
from canvas_page import STATIC, on_a_page

from wsss_nb.explore_masking import MaskingExplorer, asked
from wsss_nb.masking import erased


@pytest.fixture(scope="module")
def opened(browser):
    with on_a_page(browser, MaskingExplorer(), width=1200) as both: yield both


def masked(e, row, extra=0):
    b = np.zeros(len(e.erasing.present), int)
    b[e.erasing.present] = row
    return erased(e.photo.image, e.erasing.softmax(extra), e.erasing.present, b, e.mean)


@pytest.mark.parametrize("extra", [0, 1])
def test_masked_pictures_are_the_librarys_to_the_bit(opened, extra):
    e, p = opened
    p.set(extra=extra); p.settle()
    for row in product((0, 1), repeat=2):
        p.set(b=list(row))
        F, J = masked(e, row, extra)
        np.testing.assert_array_equal(p.get("F"), F)
        np.testing.assert_array_equal(p.get("masked"), J)
    p.set(extra=0, b=[1, 0])
    assert len(p.asked) == len(set(p.asked)), "each array travels once"


def test_pixels_change_and_hover_tells(opened):
    e, p = opened
    p.set(b=[0, 0])
    H = e.erasing.softmax(0)[1:][e.erasing.present]
    y, x = np.unravel_index(H[0].argmax(), H[0].shape)
    x, y = int(x), int(y)
    assert p.pixel(x, y, 1) == (255, 255, 255)
    p.set(b=[1, 0])
    assert max(p.pixel(x, y, 1)) < 20 and np.abs(np.subtract(p.pixel(x, y, 2), e.mean)).max() < 6  # white to black; the mean colour
    assert p.hover(x, y, 1) == {"x": x, "y": y, "still seen (F)": pytest.approx(1 - H[0, y, x], abs=1e-6), "H car": pytest.approx(H[0, y, x]), "H cat": pytest.approx(H[1, y, x])}
    assert p.hover(x, y, 0)["segmented as"] == "car"


PICK = """async items => {
  const pick = (await import("/pick.js")).default, el = document.body.appendChild(document.createElement("div"));
  const state = { label: "Erase", items, value: [1, 0], many: !items[0].value, words: ["kept", "erased"] }, ears = [];
  const model = { get: k => state[k], save_changes() {}, off() {}, on: (names, f) => names.split(" ").forEach(n => ears.push([n, f])),
    set(k, v) { state[k] = v; ears.filter(e => e[0] === "change:" + k).forEach(e => e[1]()) } };
  pick.render({ model, el });
  window.picked = model;
}"""


@pytest.mark.parametrize("items", [[dict(name="car", color="#ff0000"), dict(name="cat", color="#00ff00")], [dict(title="as it is", value=[0, 0]), dict(title="without car", value=[1, 0]), dict(title="without cat", value=[0, 1])]], ids=["switches", "cards"])
def test_switches_and_cards(browser, items):
    "A press, or space on the focused one, changes the value; what another widget sets is shown."
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.route("**/*", lambda r: r.fulfill(path=STATIC/"pick.js") if r.request.url.endswith(".js") else r.fulfill(body="<!doctype html><body></body>", content_type="text/html"))
    page.goto("http://pick.test/")
    page.evaluate(PICK, items)
    value, buttons = lambda: page.evaluate("picked.get('value')"), page.locator("button")
    pressed = lambda: [b.get_attribute("aria-pressed") for b in buttons.all()]
    if "value" in items[0]:
        assert pressed() == ["false", "true", "false"]
        buttons.nth(2).click()
        assert value() == [0, 1] and pressed() == ["false", "false", "true"]
        page.evaluate("picked.set('value', [1, 1])")  # none of the cards
        assert pressed() == ["false"]*3
    else:
        assert buttons.all_text_contents() == ["carerased", "catkept"]
        buttons.nth(1).focus(); page.keyboard.press("Space")
        assert value() == [1, 1] and pressed() == ["true", "true"]
        buttons.nth(0).click()
        assert value() == [0, 1] and pressed() == ["false", "true"]
    assert not problems
    page.close()


MAP = "n => Array.from(document.querySelector('.wsss-canvas').wsss.get(n)?.data ?? [])"


def test_in_jupyterlab_and_on_the_page(tab, opened):
    "Switches, cards and the picture go together; bars and losses follow."
    e, page = opened[0], tab.open("e7_masking")
    shown, bars, cards = (lambda: page.evaluate(MAP, "masked")), page.locator(".wsss-chart"), page.locator(".wsss-card")
    np.testing.assert_array_equal(shown(), masked(e, (1, 0))[1].ravel())
    tab.looks("e7_masking")
    page.get_by_role("button", name="cat kept").click()
    np.testing.assert_array_equal(shown(), masked(e, (1, 1))[1].ravel())  # at once: nothing is waited for
    assert cards.nth(3).get_attribute("aria-pressed") == "true"
    loss = asked(e.erasing, 0, [(1, 1)])[1, 1][2]
    page.wait_for_function("t => document.querySelector('.wsss-chart').innerText.includes(t)", arg=f"attention loss {loss:.3f}")
    assert "cat: 0 wanted" in bars.text_content()
    cards.nth(2).click()
    np.testing.assert_array_equal(shown(), masked(e, (0, 1))[1].ravel())
    assert page.get_by_role("button", name="car kept").count() == 1
    page.get_by_label("erased by").select_option("the true masks")
    page.wait_for_function("document.querySelector('.wsss-title').textContent === 'The true masks' && document.querySelector('.wsss-canvas').wsss.get('masked')?.data")
    np.testing.assert_array_equal(shown(), masked(e, (0, 1), 1)[1].ravel())
    loss = asked(e.erasing, 1, [(0, 1)])[0, 1][2]
    page.wait_for_function("t => document.querySelectorAll('.wsss-card')[2].innerText.includes(t)", arg=f"attention loss {loss:.3f}")
    page.get_by_label("picture", exact=True).select_option("coffee")
    page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('masked')?.shape[1] === 500")
    page.locator(".wsss-status", has_text="tick what is there").wait_for()
    assert not page.get_by_label("erased by").is_visible()
    n = cards.count()
    assert "drawn scenes only" in page.locator(".wsss-status").inner_text()
    tab.whole()
    page.locator(".wsss-explorer .wsss-controls input[type=checkbox]:not(:checked)").last.check()
    page.wait_for_function("n => document.querySelectorAll('.wsss-card').length === 2*n", arg=n)
