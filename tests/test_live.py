"""The server as a process that listens: what its own OpenAPI promises, and the page in a real browser."""

import shutil
import threading
import time
from contextlib import contextmanager
from functools import cache, partial

import httpx2
import numpy as np
import pytest
import schemathesis
import uvicorn
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pqrst import artifact
from pqrst.serve import run
from pqrst.serve.app import build
from pqrst.serve.limits import Limits

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEGATIVE = schemathesis.GenerationMode.NEGATIVE
SECONDS = 60_000  # milliseconds that a browser may wait on a busy machine

pytestmark = pytest.mark.slow


@contextmanager
def listening(app):
    """Serve an application on a free port of this machine, and give its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def address(untrained_attention):
    """Serve an untrained network over windows of 10 s, with the examples that the command line makes."""
    predictor = artifact.load(untrained_attention(3600, 1800))
    with listening(build(predictor, cache(partial(run.examples, predictor.contract)), Limits(megabytes=20))) as where:
        yield where


def test_its_own_openapi_finds_no_failure_of_the_server(address):
    """Requests drawn from the schema, good and bad, are answered or refused with a reason, and never with a 500."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=st.one_of(operation.as_strategy(), operation.as_strategy(generation_mode=NEGATIVE)))
        def hold(case):
            answer = case.call(timeout=60)
            assert answer.status_code in (200, 400, 404, 413, 415, 422), answer.text
            if answer.status_code >= 400:
                assert answer.json()
            seen.add(answer.status_code)

        hold()
    assert {200, 422} <= seen
    assert httpx2.get(f"{address}/ready").status_code == 200


@pytest.fixture(scope="module")
def browser():
    """Start a real browser without a window, or skip."""
    if BROWSER is None:
        pytest.skip("no Chromium here; install it to test the page")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    """Open the page, and hold that it reports no error of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened, errors = context.new_page(), []
    opened.set_default_timeout(SECONDS)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda line: errors.append(line.text) if "Content Security" in line.text else None)
    opened.goto(address)
    yield opened
    context.close()
    assert errors == []


def told(page, name, text):
    """Wait until an element says something."""
    page.locator(name, has_text=text).wait_for(timeout=SECONDS)


def test_a_recording_is_dropped_in_and_answered(page, tmp_path):
    """Both parts of a WFDB record give a diagnosis, its windows, and the attention of the chosen one."""
    wave = np.exp(-(((np.arange(3600 * 4) / 360 % 1 - 0.5) ** 2) / 0.001))[:, None].repeat(2, 1)
    wfdb.wrsamp("r1", 360, ["mV"] * 2, ["MLII", "V1"], wave, fmt=["16"] * 2, write_dir=str(tmp_path))
    page.set_input_files("#files", [tmp_path / "r1.hea", tmp_path / "r1.dat"])
    told(page, "#record-name", "r1")
    assert page.inner_text("#winner") in ("Normal", "Abnormal")
    assert page.locator("#windows").get_attribute("aria-valuemax") == "7"
    page.click("#attention")
    told(page, "#attention-note", "Shade")
    page.locator("#windows").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#windows").get_attribute("aria-valuenow") == "2"


def test_a_half_hour_is_zoomed_and_walked_by_keys(page):
    """The bundled example of 30 minutes opens, and the keys move what is visible."""
    page.locator("#examples button[data-example=half-hour]").click()
    told(page, "#record-name", "half-hour")
    page.locator("#paper").focus()
    before = page.inner_text("#visible")
    page.keyboard.press("End")
    told(page, "#visible", "1800.0 of 1800.0 s")
    assert page.inner_text("#visible") != before


def test_an_error_is_shown_and_the_result_stays(page, tmp_path):
    """A file that is no recording is an alert with the server's reason; what was shown before remains."""
    page.locator("#examples button[data-example=minute]").click()
    told(page, "#record-name", "minute")
    (tmp_path / "bad.edf").write_bytes(b"0" * 300)
    page.set_input_files("#files", tmp_path / "bad.edf")
    told(page, "#error", "does not begin as an EDF file does")
    assert page.is_visible("#winner")


def test_the_page_fits_a_telephone(browser, address):
    """At 375 pixels nothing runs over the side, and made-up learning is told."""
    context = browser.new_context(viewport={"width": 375, "height": 800})
    page = context.new_page()
    page.set_default_timeout(SECONDS)
    page.goto(address)
    page.locator("#examples button[data-example=minute]").click()
    told(page, "#record-name", "minute")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.is_visible("#synthetic")
    assert "no medical device" in page.inner_text("footer")
    context.close()


def test_the_page_asks_for_the_token(browser, untrained_attention):
    """A wrong one is said to be wrong, the right one lets the page go on and ask about a recording."""
    predictor, demanded = artifact.load(untrained_attention(3600, 1800)), "a-token-of-the-page"
    made = cache(partial(run.examples, predictor.contract))
    with listening(build(predictor, made, Limits(megabytes=20), demanded)) as where:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        page.goto(where)
        page.fill("#token-text", "another-token-as-long")
        page.click("#token button[value=given]")
        told(page, "#token-wrong", "not the server's")
        page.fill("#token-text", demanded)
        page.click("#token button[value=given]")
        told(page, "#model-name", "attention")
        page.locator("#examples button[data-example=minute]").click()
        told(page, "#record-name", "minute")
        context.close()
