"""The map of a collection in a real browser, by pointer and by keyboard."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.test_pages_in_chromium import call, complaints, one, wait

pytestmark = pytest.mark.browser

TEXTS = {
    "kettle": "The kettle sings when the water boils.",
    "teapot": "Warm the teapot before the water boils in the kettle.",
    "engine": "The engine pulls twelve wagons over the pass.",
    "wagon": "Each wagon has a brake that the engine driver can set.",
    "bamboo": "大熊猫一天要吃很多竹子。",
    "forest": "大熊猫住在四川的竹林里。",
}


@pytest.fixture(scope="module")
def address(site):
    for key, text in TEXTS.items():
        call(site, "PUT", f"/v1/collections/atlas/documents/{key}", {"text": text})
    return f"{site}/collections/atlas/map"


def ready(browser, address):
    """Open the map once its passages are indexed and its script has drawn it."""

    def drawn(page):
        page.get(address)
        return page.find_elements("css selector", "#map")

    wait(browser, drawn)
    wait(browser, lambda page: one(page, "#map").get_attribute("data-ready") == "yes")


COLOURED = """
const canvas = document.querySelector("canvas");
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return data.filter((value, at) => at % 4 === 3 && value).length;
"""
FIRST_POINT = """
const [use, canvas] = ["svg.picture use", "canvas"].map((name) => document.querySelector(name));
const place = (at, size, drawn) => 24 + ((at - 24) / (size - 48)) * (drawn - 48) - drawn / 2;
return [
  place(use.x.baseVal.value, 960, canvas.clientWidth),
  place(use.y.baseVal.value, 600, canvas.clientHeight),
].map(Math.round);
"""
"""Where the first point stands on the canvas, from its middle, by where it stands in the picture."""


def test_keys_go_from_point_to_point_and_enter_searches_from_there(browser, address):
    ready(browser, address)
    assert "hidden" in one(browser, "svg.picture").get_attribute("class")
    wait(browser, lambda page: page.execute_script(COLOURED) > 6 * 20)
    canvas = one(browser, "canvas")
    seen = set()
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_DOWN) * 2:
        canvas.send_keys(key)
        article = wait(browser, lambda page: one(page, "#map-chosen article"))
        seen.add(article.find_element("css selector", ".passage").text)
    assert len(seen) > 1 and seen <= set(TEXTS.values())
    canvas.send_keys(Keys.ESCAPE)
    wait(browser, lambda page: not page.find_elements("css selector", "#map-chosen article"))
    canvas.send_keys(Keys.ARROW_RIGHT)
    wait(browser, lambda page: one(page, "#map-chosen article"))
    canvas.send_keys(Keys.ENTER)
    wait(browser, lambda page: "/similar?collection=atlas&passage=" in page.current_url)
    assert complaints(browser) == []


def test_pointing_shows_a_passage_and_a_group_can_be_seen_by_itself(browser, address):
    ready(browser, address)
    canvas = one(browser, "canvas")
    canvas.send_keys(Keys.ARROW_RIGHT)
    wait(browser, lambda page: one(page, "#map-chosen article"))
    before = browser.execute_script(COLOURED)
    one(browser, "[data-group='0']").click()
    assert one(browser, "[data-group='0']").get_attribute("aria-pressed") == "true"
    wait(browser, lambda page: page.execute_script(COLOURED) > before / 3)
    one(browser, "[data-zoom='in']").click()
    one(browser, "[data-zoom='all']").click()
    point = browser.execute_script(FIRST_POINT)
    one(browser, "[data-group='0']").click()
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(browser).move_to_element_with_offset(canvas, *point).perform()
    tip = wait(browser, lambda page: one(page, ".tip article"))
    assert tip.find_element("css selector", ".passage").text == TEXTS["kettle"]
    assert complaints(browser) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_script_there_are_a_picture_and_the_clusters(open_browser, address, language):
    browser = open_browser(script=False, language=language)
    wait(browser, lambda page: page.get(address) or page.find_elements("css selector", "#map"))
    assert len(browser.find_elements("css selector", "svg.picture use")) == len(TEXTS)
    assert not one(browser, "[data-group='0']").is_displayed()
    assert one(browser, ".clusters h3").text and ("内容概览" in browser.page_source) == (language == "zh")
