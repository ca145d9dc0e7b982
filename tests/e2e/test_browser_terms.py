"Terms that explain themselves, in a real browser: by pointer, keyboard and touch, in texts that stay what they are."
import numpy as np
import pytest
from canvas_page import CanvasPage
from test_chart import DARK, LIGHT, LINES, open_page, show

from wsss_nb.canvas import Canvas

IMAGE = dict(type="image", map="image")
CAPTION = "UE {ue} · BR {br} · z of <b>{name}</b>"
OPEN = "e => { const s = getComputedStyle(e, '::after'); return s.content === 'none' ? '' : s.content }"


def a_canvas():
    facts = dict(ue=.25, br=1., name="<script>alert(1)</script>")
    c = Canvas(panes=[dict(title="Initial seed", caption=CAPTION, layers=[IMAGE, dict(type="labels", map="L|tau")], hover=[dict(map="D", label="degree of its seed")])], tau=.3, classes=["background", "cat"])
    c.put("image", np.full((30, 40, 3), 90, np.uint8))
    c.put("D", np.full((30, 40), 7))
    c.provide("L", lambda tau: (np.zeros((30, 40), np.uint8), facts | dict(ue=tau)))
    return c


@pytest.fixture
def page(browser):
    c = CanvasPage(browser, a_canvas(), width=800)
    c.settle()
    yield c
    assert not c.problems
    c.page.close()


def term(p, word): return p.page.locator(".wsss-term", has_text=word).first


def test_texts_are_what_they_were_and_names_are_no_markup(page):
    assert page.page.locator(".wsss-title").inner_text() == "Initial seed"
    assert page.page.locator(".wsss-caption").inner_text() == "UE 0.300 · BR 1.000 · z of <b><script>alert(1)</script></b>"
    assert page.page.locator(".wsss-canvas :is(script, b)").count() == 0
    assert page.page.locator(".wsss-picture").get_attribute("aria-label").startswith("Initial seed: UE 0.300 · BR")


@pytest.mark.parametrize("word,said", [("UE", "(3.9)"), ("BR", "(3.10)"), ("z", "(3.5)"), ("seed", "(3.4)")])
def test_a_term_opens_by_pointer_and_by_keyboard(page, word, said):
    e = term(page, word)
    assert said in e.get_attribute("aria-description") and e.evaluate(OPEN) == ""
    e.hover()
    assert said in e.evaluate(OPEN)
    page.page.mouse.move(0, 0)
    assert e.evaluate(OPEN) == ""
    e.focus()
    assert said in e.evaluate(OPEN)
    page.page.keyboard.press("Escape")
    assert e.evaluate(OPEN) == ""


def test_the_tab_key_comes_to_each_term(page):
    page.page.locator("body").focus()
    words = []
    for _ in range(5):
        page.page.keyboard.press("Tab")
        words.append(page.page.evaluate("document.activeElement.textContent"))
    assert words == ["seed", "", "UE", "BR", "z"], "title, picture, caption"


def test_what_is_open_stays_open_while_numbers_change(page):
    term(page, "UE").focus()
    page.set(tau=.4)
    page.settle()
    assert page.page.locator(".wsss-caption").inner_text().startswith("UE 0.400 · BR")
    assert page.page.evaluate("document.activeElement.textContent") == "UE" and "(3.9)" in term(page, "UE").evaluate(OPEN)


def test_the_readout_waits_until_its_terms_are_pointed_at(page):
    page.hover(20, 15)
    page.page.wait_for_function("document.querySelector('.wsss-readout').textContent.includes('degree')")
    assert page.hover(20, 15) == dict(x=20, y=15, **{"degree of its seed": 7})
    term(page, "degree").hover()
    assert "A > 0" in term(page, "degree").evaluate(OPEN)
    page.page.mouse.move(400, 1000)
    assert page.page.locator(".wsss-readout").inner_text() == ""


def test_a_finger_opens_a_term(browser):
    c = CanvasPage(browser, a_canvas(), has_touch=True)
    c.settle()
    term(c, "BR").tap()
    assert "(3.10)" in term(c, "BR").evaluate(OPEN)
    c.page.touchscreen.tap(*c.at(20, 15))
    c.page.wait_for_function("document.querySelector('.wsss-readout').textContent.includes('degree')")
    assert term(c, "BR").evaluate(OPEN) == "", "elsewhere closes it"
    assert not c.problems
    c.page.close()


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("width", [390, 1400])
def test_what_a_term_means_is_on_the_page_and_legible(browser, theme, width):
    c = CanvasPage(browser, a_canvas(), theme=theme, width=width)
    c.settle()
    for word in ("UE", "z", "seed"):
        term(c, word).focus()
        size = term(c, word).evaluate("""e => { const s = getComputedStyle(e, '::after'), box = e.parentElement.getBoundingClientRect();
            return { left: box.left + parseFloat(s.left), width: parseFloat(s.width), color: s.color, paper: s.backgroundColor } }""")
        assert size["left"] >= 0 and size["left"] + size["width"] <= width and size["width"] > 200
        assert size["color"] != size["paper"]
    c.page.close()


def test_charts_explain_their_curves(browser):
    page = open_page(browser)
    o = show(page, **LINES)
    assert o.locator(".wsss-term").all_inner_texts() == ["Seed", "coverage", "precision"]
    assert "labelled" in o.locator(".wsss-term").nth(1).get_attribute("aria-description")
    assert o.locator("[tabindex]").count() == 0, "a chart is one stop of the tab key"
    page.close()
