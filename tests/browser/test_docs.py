"""The page of the contract, as a browser that trusts nobody shows it."""

from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

from tests.browser.screen import REPORT_VIOLATIONS
from tests.serving import serving


class Quiet(WSGIRequestHandler):
    def log_message(self, *_args):
        """Requests are no news."""


@pytest.mark.slow
def test_people_can_read_it_under_a_strict_policy(browser, tmp_path):
    complaints, elsewhere = [], []
    application = StaticFilesHandler(get_wsgi_application())  # without a database
    with serving(make_server("127.0.0.1", 0, application, WSGIServer, Quiet)) as url:
        page = browser.new_page()
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith((url, "data:")) or elsewhere.append(asked.url))
        answer = page.goto(f"{url}/api/v1/docs")
        page.get_by_text("/api/v1/me/points/entries").click()
        page.get_by_text("newest first").wait_for()
        page.screenshot(path=tmp_path / "docs.png")
        page.close()
    assert complaints == elsewhere == []
    assert "unsafe-eval" not in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
