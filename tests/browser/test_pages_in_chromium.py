"""What people do with the pages, done in a real browser, with script and without."""

import json
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from indexer.store import collections, expansions
from indexer.store.expansions import StoredExpansion
from tests.homes import opened

pytestmark = pytest.mark.browser

WAIT_SECONDS = 60


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def wait(browser, condition):
    """Wait until a condition holds; a page that renews itself may take an element away while it is read."""
    renewing = [StaleElementReferenceException]
    return WebDriverWait(browser, WAIT_SECONDS, ignored_exceptions=renewing).until(condition)


def call(site, method, path, body=None):
    connection = HTTPConnection(site.removeprefix("http://"), timeout=WAIT_SECONDS)
    data = None if body is None else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def complaints(browser):
    """What the browser's console holds: refused scripts and styles, failed loads, errors of our scripts."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_pdf_goes_up_and_is_found_in_the_other_language(open_browser, site, pandas_pdf, script):
    browser = open_browser(script=script)
    browser.get(f"{site}/upload?collection=pandas-{script}")
    one(browser, "#files").send_keys(str(pandas_pdf))
    assert one(browser, "#chosen").text == ("pandas.pdf" if script else "")
    one(browser, "form.upload button").click()

    wait(browser, lambda page: "Done" in one(page, "#task .state").text)
    progress = one(browser, "#progress")
    assert progress.get_attribute("value") == progress.get_attribute("max")
    assert "1 document stored" in one(browser, "#task").text

    one(browser, "#task .next .action").click()
    one(browser, "#q").send_keys("大熊猫每天吃什么", Keys.ENTER)
    first = wait(browser, lambda page: one(page, ".hits article"))
    assert "pandas.pdf" in first.text and "page 2" in first.text and "thirty kilograms" in first.text

    one(browser, ".hits article h2 a").click()
    passage = wait(browser, lambda page: one(page, ".block:target"))
    assert "Almost the whole diet of an adult is bamboo" in passage.text
    lit = one(browser, ".block:target .body").value_of_css_property("background-color")
    plain = one(browser, ".block:not(:target) .body").value_of_css_property("background-color")
    assert lit != plain
    assert complaints(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_of_words_opens_by_keyboard_and_says_in_numbers_what_its_shades_say(
    open_browser, site, language, scheme
):
    text = (
        "大熊猫住在四川的竹林里，一天有十几个小时在吃竹子。"
        if language == "zh"
        else "Pandas chew bamboo all day."
    )
    call(site, "PUT", f"/v1/collections/heat-{language}/documents/panda", {"text": text})
    question = {"en": "大熊猫吃什么", "zh": "what do pandas eat"}[language]
    browser = open_browser(language=language, script=False)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(f"{site}/?collection=heat-{language}&q={question}")
    assert not one(browser, ".heat table").is_displayed()
    one(browser, ".why summary").send_keys(Keys.ENTER)
    wait(browser, lambda page: one(page, ".heat table").is_displayed())
    assert one(browser, "html").value_of_css_property("color-scheme") == "light dark"
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True},
    )
    box, total = one(browser, ".heat").rect, one(browser, ".heat tbody td:last-child").rect
    assert (
        one(browser, ".heat table").rect["width"] > box["width"]
    )  # it scrolls, and the totals stay in sight
    assert total["x"] + total["width"] <= box["x"] + box["width"] + 1
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    told = call(site, "POST", f"/v1/collections/heat-{language}/search", {"query": question, "explain": True})
    (hit,) = told["hits"]
    strongest = max(max(row) for row in hit["explanation"]["attention"]["carried"])
    cells = browser.find_elements(By.CSS_SELECTOR, ".heat td[class^=s]")
    shades = {}
    for cell in cells:
        shades.setdefault(cell.get_attribute("class"), set()).add(
            cell.value_of_css_property("background-color")
        )
        value = 0 if cell.text == "·" else int(cell.text)
        assert int(cell.get_attribute("class")[1:]) == pytest.approx(
            5 * max(value, 0) / 1000 / strongest, abs=0.6
        )
    assert all(len(colours) == 1 for colours in shades.values())
    assert len(set.union(*shades.values())) == len(shades) >= 2
    marks = [mark.text for mark in browser.find_elements(By.CSS_SELECTOR, ".hits mark")]
    expected = [text[mark["start"] : mark["end"]] for mark in hit["highlights"]]
    assert marks == expected and marks
    assert complaints(browser) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_more_like_a_passage_is_a_link_away_without_script(open_browser, site, language):
    texts = {
        "oolong": "Oolong leaves are bruised in bamboo trays and left to oxidise in part.",
        "乌龙茶": "乌龙茶的叶子在竹匾里摇青，边缘碰伤，一半发酵。",
        "brakes": "Air brakes of a goods train are released by pressure.",
    }
    collection = f"alike-{language}"
    for key, text in texts.items():
        call(site, "PUT", f"/v1/collections/{collection}/documents/{quote(key)}", {"text": text})
    browser = open_browser(language=language, script=False)
    browser.get(f"{site}/?collection={collection}&q=oolong")
    link = one(browser, ".hits article .alike a")
    assert link.text == {"en": "More like this passage", "zh": "更多类似段落"}[language]
    link.send_keys(Keys.ENTER)
    example = wait(browser, lambda page: one(page, ".example blockquote"))
    first = one(browser, ".hits article")
    shown = {text for text in texts.values() if text in example.text}
    assert len(shown) == 1 and not shown & {one(browser, ".hits").text}
    assert {"oolong", "乌龙茶"} == {key for key, text in texts.items() if text in shown or text in first.text}
    assert browser.find_elements(By.CSS_SELECTOR, ".hits mark")
    one(browser, ".why summary").send_keys(Keys.ENTER)
    wait(browser, lambda page: one(page, ".heat table").is_displayed())
    assert one(browser, ".heat").size["width"] <= one(browser, "main").size["width"]
    assert complaints(browser) == []


def test_the_key_opens_the_pages_and_signing_out_closes_them(open_browser, guarded_site):
    site, key = guarded_site
    browser = open_browser()
    browser.get(f"{site}/upload?collection=notes")
    one(browser, "#key").send_keys("guess", Keys.ENTER)
    assert "This is not the key" in wait(browser, lambda page: one(page, "#wrong")).text
    one(browser, "#key").send_keys(key, Keys.ENTER)
    wait(browser, lambda page: one(page, "#files"))
    assert browser.current_url == f"{site}/upload?collection=notes"
    assert one(browser, "#collection").get_attribute("value") == "notes"
    assert browser.execute_script("return document.cookie") == ""

    one(browser, ".bar .aside button").click()
    wait(browser, lambda page: one(page, "#key"))
    browser.get(f"{site}/v1/collections")
    assert "unauthorized" in browser.page_source


def test_the_language_of_the_browser_is_spoken_until_another_is_chosen(open_browser, site):
    browser = open_browser(language="zh-TW")
    browser.get(f"{site}/upload")
    assert one(browser, "h1").text == "上传文件"
    one(browser, ".bar .aside a").click()
    wait(browser, lambda page: one(page, "h1").text == "Upload files")
    one(browser, ".bar nav a").click()
    wait(browser, lambda page: "Search by meaning" in one(page, "h1").text)
    assert one(browser, "html").get_attribute("lang") == "en"


def test_what_a_stranger_wrote_is_never_run(browser, site):
    hostile = "<script>window.owned = 1</script><img src=x onerror='window.owned = 2'>"
    body = {"text": f"A hostile text. {hostile}", "title": hostile}
    call(site, "PUT", "/v1/collections/hostile/documents/hostile", body)
    pages = (
        "/?collection=hostile&q=hostile",
        "/collections/hostile/documents",
        "/collections/hostile/documents/hostile",
        f"/?collection=hostile&q={hostile}",
    )
    for page in pages:
        browser.get(site + page)
        assert browser.execute_script("return window.owned") is None
        assert hostile in (browser.title + one(browser, "main").text)
        assert complaints(browser) == []


def test_a_page_of_another_origin_can_neither_post_nor_delete(browser, site):
    call(site, "PUT", "/v1/collections/kept/documents/kept", {"text": "to be kept"})
    targets = ("/collections/kept/documents/delete", "/v1/collections/kept/documents/delete", "/upload")

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self):
            page = f"""<form method=post action="{site}{self.path}" enctype="text/plain">
                <input name="key" value="kept"></form><script>document.forms[0].submit()</script>"""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        for target in targets:
            browser.get(f"http://127.0.0.1:{stranger.server_port}{target}")
            wait(browser, lambda page: page.current_url.startswith(site))
            assert "another site" in one(browser, "body").text
        stranger.shutdown()
    assert call(site, "GET", "/v1/collections/kept/documents")["total"] == 1


def test_a_narrow_screen_never_scrolls_sideways(browser, site):
    body = {"text": "x" * 500 + " 长" * 300, "title": "W" * 200, "metadata": {"n" * 90: "v" * 300}}
    call(site, "PUT", f"/v1/collections/narrow/documents/{'k' * 150}", body)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True},
    )
    pages = (
        "/",
        "/?collection=narrow&q=xxx",
        "/collections",
        "/collections/narrow/documents",
        "/upload",
        "/tasks",
        "/collections/narrow/judgements",
    )
    for page in (*pages, f"/collections/narrow/documents/{'k' * 150}"):
        browser.get(site + page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360, page


def test_an_encoder_is_learned_by_a_form_and_stands_beside_the_others(open_browser, site):
    for bird in ("heron", "stork", "crane", "eagle"):
        body = {"text": f"The {bird} nests near the marsh, where a young {bird} learns to fly."}
        call(site, "PUT", f"/v1/collections/birds/documents/{bird}", body)
    browser = open_browser(language="zh", script=True)
    browser.get(f"{site}/collections/birds/encoders")
    one(browser, "form.fit select").send_keys("tfidf")
    one(browser, "form.fit button").click()
    wait(browser, lambda page: "完成" in one(page, "#task .state").text)
    browser.get(f"{site}/collections/birds/encoders")
    one(browser, "#q").send_keys("a young crane", Keys.ENTER)
    wait(browser, lambda page: one(page, ".columns"))
    names = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".columns h3")]
    first = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".columns li:first-child a")]
    assert names == ["multilingual-e5-small", "tfidf"] and first == ["crane", "crane"]
    assert complaints(browser) == []


def test_a_question_is_put_to_the_encoder_that_is_chosen_without_script(open_browser, site):
    for bird in ("heron", "stork", "crane", "eagle"):
        body = {"text": f"The {bird} nests near the marsh, where a young {bird} learns to fly."}
        call(site, "PUT", f"/v1/collections/chosen/documents/{bird}", body)
    browser = open_browser(language="zh", script=False)
    browser.get(f"{site}/collections/chosen/encoders")
    one(browser, "form.fit select").send_keys("tfidf")
    one(browser, "form.fit button").click()
    wait(browser, lambda page: "完成" in one(page, "#task .state").text)
    browser.get(f"{site}/?collection=chosen")
    one(browser, "select[name=encoder]").send_keys("tfidf")
    one(browser, "#q").send_keys("a young crane", Keys.ENTER)
    first = wait(browser, lambda page: one(page, ".hits article"))
    body = {"query": "a young crane", "encoder": "tfidf", "limit": 1}
    told = call(site, "POST", "/v1/collections/chosen/search", body)
    assert told["hits"][0]["key"] == "crane" and set(told["hits"][0]["parts"]) == {"dense", "lexical"}
    assert (
        "tfidf 没有可供注意力使用的逐词状态" in one(browser, "main").text
    )  # the mode offered first is none of its
    assert "crane" in first.text and f"{told['hits'][0]['score']:.3f}" in first.text
    assert one(browser, "select[name=encoder] option:checked").text == "tfidf"
    one(browser, "#q").send_keys(" or a heron", Keys.ENTER)  # and stays chosen
    wait(browser, lambda page: "heron" in one(page, ".hits").text)
    assert one(browser, "select[name=encoder] option:checked").text == "tfidf"
    assert complaints(browser) == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Also looked for, because the best passages say it:"),
        ("zh", "同时查找了最佳段落中常见的字词："),
    ],
)
def test_words_that_were_looked_for_besides_are_told(open_browser, site, site_home, language, said):
    name = f"wider-{language}"
    texts = {f"{number}": f"Nothing but the number {number}." for number in range(20)}
    texts |= {"crane": "A crane is a wading bird.", "reeds": "Every wading thing has long legs."}
    for key, text in texts.items():
        call(site, "PUT", f"/v1/collections/{name}/documents/{key}", {"text": text})
    with opened(site_home) as service, service.database.write() as connection:  # whatever a test would say
        tested = StoredExpansion({"lexical": 0.3}, {}, {})
        expansions.put(connection, collections.get(connection, name), tested, service.clock())
    browser = open_browser(language=language, script=False)
    browser.get(f"{site}/?collection={name}&q=crane&mode=lexical")
    line = next(each for each in browser.find_elements(By.CSS_SELECTOR, "p.modest") if said in each.text)
    words = {each.text: each.get_attribute("title") for each in line.find_elements(By.CSS_SELECTOR, "span")}
    told = call(site, "POST", f"/v1/collections/{name}/search", {"query": "crane", "mode": "lexical"})
    assert list(words) == [word["word"] for word in told["expansion"]] and "wading" in words
    assert f"{told['expansion'][0]['weight']:.2f}" in words[told["expansion"][0]["word"]]
    keys = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".hits h2")]
    assert keys == ["crane", "reeds"]
    assert complaints(browser) == []


def test_words_are_learned_and_looked_at_without_script(open_browser, site):
    for bird in ("heron", "stork", "crane", "eagle"):
        body = {"text": f"The {bird} nests in the marsh, and a young {bird} learns to fly by the reeds."}
        call(site, "PUT", f"/v1/collections/marsh/documents/{bird}", body)
    browser = open_browser(language="en", script=False)
    browser.get(f"{site}/collections/marsh/words")
    one(browser, "form.fit button").click()
    wait(browser, lambda page: "Done" in one(page, "#task .state").text)
    browser.get(f"{site}/collections/marsh/words")
    one(browser, "#word").send_keys("heron", Keys.ENTER)
    picture = wait(browser, lambda page: one(page, "svg.picture"))
    shown = [text.text for text in picture.find_elements(By.CSS_SELECTOR, "text")]
    assert shown[0] == "heron" and len(shown) > 5
    one(browser, ".words a").click()
    wait(browser, lambda page: one(page, "svg.picture .self text").text == shown[1])
    assert complaints(browser) == []


def test_answers_are_judged_by_keyboard_and_systems_compared_without_script(open_browser, site):
    for bird in ("heron", "stork", "crane", "eagle"):
        body = {"text": f"The {bird} nests in the marsh, and a young {bird} learns to fly by the reeds."}
        call(site, "PUT", f"/v1/collections/judged/documents/{bird}", body)
    browser = open_browser(language="zh", script=False)
    browser.get(f"{site}/collections/judged/judgements")
    one(browser, "form.fit input[name=name]").send_keys("mine", Keys.ENTER)
    wait(browser, lambda page: one(page, "#text")).send_keys("young crane", Keys.ENTER)
    wait(browser, lambda page: one(page, ".judging"))
    crane = "//li[.//input[@name='document' and @value='crane']]"
    browser.find_element(By.XPATH, f"{crane}//button[@value='3']").send_keys(Keys.SPACE)
    pressed = wait(browser, lambda page: page.find_elements(By.CSS_SELECTOR, "[aria-pressed=true]"))
    assert [button.text for button in pressed] == ["✓ 3 正是"]
    assert browser.find_element(By.XPATH, crane).get_attribute("id") == one(
        browser, "li:target"
    ).get_attribute("id")

    browser.get(f"{site}/collections/judged/evaluations")
    one(browser, ".order button").click()
    wait(browser, lambda page: "完成" in one(page, "#task .state").text)
    one(browser, "#task .next .action").click()
    rows = wait(browser, lambda page: page.find_elements(By.CSS_SELECTOR, ".measures tbody tr"))
    assert len(rows) == 4 and all("1.0000" in row.text for row in rows)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chart circle")) == 4
    one(browser, ".measures tbody a").click()
    wait(browser, lambda page: one(page, ".chart.bars rect"))
    one(browser, ".measures tbody a").click()
    assert wait(browser, lambda page: one(page, "h1").text == "young crane")
    assert complaints(browser) == []
