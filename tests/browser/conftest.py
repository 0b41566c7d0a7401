"""A real Chromium and a real ``xunyi serve``; without Chromium the tests are skipped, or fail if required."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection

import pytest
from fpdf import FPDF
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

WAIT_SECONDS = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)
PANDAS = (
    "Where they live. Giant pandas are found in a handful of mountain ranges in central China, most of "
    "them in the province of Sichuan. They once roamed the lowlands too, but fields, roads and logging "
    "pushed them up into cool, wet forests between fifteen hundred and three thousand metres. Mist hangs "
    "over these slopes for much of the year. Each adult keeps to a home range of a few square kilometres, "
    "marks trees with scent and avoids its neighbours except in spring. Reserves now cover more than half "
    "of the remaining habitat, and corridors of planted forest are meant to join valleys that a highway "
    "has cut apart.",
    "What they eat. Almost the whole diet of an adult is bamboo: leaves in summer, stems in winter, and "
    "tender shoots as soon as they break the ground. Since a bear's gut takes so little energy out of "
    "grass, the animal has to chew for about twelve hours a day and may swallow thirty kilograms before "
    "it sleeps. A false thumb, which is really a wrist bone, holds the stalks while strong jaws strip and "
    "crush them. Now and then a panda takes eggs, carrion or a small rodent, yet these are rare treats "
    "and not a habit.",
    "How they grow up. A cub is born blind, pink and hardly heavier than an apple. For the first weeks "
    "its mother scarcely leaves the den, and holds it against her chest day and night. The black patches "
    "appear after a week or two, the eyes open at six weeks, and at three months the young animal begins "
    "to crawl. It stays with its mother for a year and a half, learns to climb long before it can run "
    "well, and is fully grown at about five years of age. Twins are common, but in the wild usually one "
    "of them survives.",
)
WITHOUT_SCRIPT = {"profile.managed_default_content_settings.javascript": 2}


def find_browser():
    """Where Chromium and its driver are; None where one is missing."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Skip from one place, so that the summary says it in one line."""
    if find_browser() is not None:
        return
    if os.environ.get("XUNYI_REQUIRE_BROWSER") == "1":
        pytest.fail("no chromium with chromedriver was found, and XUNYI_REQUIRE_BROWSER=1 asks for it")
    pytest.skip("no chromium with chromedriver was found; install both to test the pages in a browser")


@contextmanager
def running_browser(folder, script=True, language="en"):
    options = ChromeOptions()
    options.binary_location, driver = find_browser()
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    preferences = {} if script else WITHOUT_SCRIPT
    options.add_experimental_option("prefs", preferences | {"intl.accept_languages": language})
    browser = Chrome(options=options, service=Service(driver))
    try:
        browser.set_page_load_timeout(WAIT_SECONDS)
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def open_browser(tmp_path_factory):
    """Open a browser of its own profile; all are closed when the test ends."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(
            running_browser(tmp_path_factory.mktemp("profile"), **options)
        )


@pytest.fixture
def browser(open_browser):
    return open_browser()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(home, api_key=None):
    """Run ``xunyi serve`` over ``home``; the value is its address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XUNYI_")}
    if api_key is not None:
        environment["XUNYI_API_KEY"] = api_key
    command = [sys.executable, "-m", "indexer.cli", "--home", str(home), "serve", "--port", str(port)]
    log = home / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        wait_for_answer(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def wait_for_answer(process, port, log):
    """Wait until the service answers anything; a demand for the key is an answer too."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not answers(port):
        if time.monotonic() > deadline or process.poll() is not None:
            pytest.fail(f"xunyi serve does not answer: {log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.1)


def answers(port):
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except ConnectionError:
        return False
    finally:
        connection.close()
    return True


@pytest.fixture(scope="session")
def new_home(tmp_path_factory, models_folder):
    """Make an empty home folder that has the models."""

    def new_home():
        home = tmp_path_factory.mktemp("home")
        (home / "models").symlink_to(models_folder)
        return home

    return new_home


@pytest.fixture(scope="session")
def site_home(new_home):
    """The home folder of ``site``."""
    return new_home()


@pytest.fixture(scope="session")
def site(site_home):
    """The address of a service without a key; tests keep apart by collection."""
    with serving(site_home) as address:
        yield address


@pytest.fixture
def guarded_site(new_home):
    """The address and the key of a service that asks for it."""
    key = "open sesame 芝麻开门"
    with serving(new_home(), key) as address:
        yield address, key


@pytest.fixture(scope="session")
def pandas_pdf(tmp_path_factory):
    """An English PDF of three pages; what pandas eat stands on the second."""
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for page in PANDAS:
        pdf.add_page()
        pdf.multi_cell(0, 8, page)
    path = tmp_path_factory.mktemp("files") / "pandas.pdf"
    pdf.output(str(path))
    return path
