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
WITHOUT_SCRIPT = {"profile.managed_default_content_settings.javascript": 2}


def find_browser():
    """Where Chromium and its driver are; None where one is missing."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


@pytest.fixture(scope="session")
def browser_programs():
    found = find_browser()
    if found is None and os.environ.get("XUNYI_REQUIRE_BROWSER") == "1":
        pytest.fail("no chromium with chromedriver was found, and XUNYI_REQUIRE_BROWSER=1 asks for it")
    if found is None:
        pytest.skip("no chromium with chromedriver was found; install both to test the pages in a browser")
    return found


@contextmanager
def running_browser(programs, folder, script=True, language="en"):
    options = ChromeOptions()
    options.binary_location, driver = programs
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
def open_browser(browser_programs, tmp_path_factory):
    """Open a browser of its own profile; all are closed when the test ends."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(
            running_browser(browser_programs, tmp_path_factory.mktemp("profile"), **options)
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


@pytest.fixture
def home(tmp_path, models_folder):
    """An empty home folder that has the models."""
    (tmp_path / "models").symlink_to(models_folder)
    return tmp_path


@pytest.fixture
def site(browser_programs, home):
    """The address of a service without a key."""
    with serving(home) as address:
        yield address


@pytest.fixture
def guarded_site(browser_programs, home):
    """The address and the key of a service that asks for it."""
    key = "open sesame 芝麻开门"
    with serving(home, key) as address:
        yield address, key


@pytest.fixture(scope="session")
def pandas_pdf(tmp_path_factory):
    """An English PDF of two pages; the food is on the second."""
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for paragraph in (
        "Where they live. Giant pandas live in a few mountain ranges in central China, mainly in Sichuan. "
        "Farming and logging drove them out of the lowlands long ago.",
        "What they eat. An adult panda eats up to thirty kilograms of bamboo leaves and shoots a day and "
        "spends about twelve hours chewing, because bamboo gives so little energy.",
    ):
        pdf.add_page()
        pdf.multi_cell(0, 8, paragraph)
    path = tmp_path_factory.mktemp("files") / "pandas.pdf"
    pdf.output(str(path))
    return path
