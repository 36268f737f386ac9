"""Members of staff at the admin of a running hub."""

import re

import httpx

from tests.journeys.clients import OPEN

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class Staff:
    """Somebody of the staff in a browser, without one."""

    def __init__(self, base: str, name: str):
        self.base = base
        self.http = OPEN.enter_context(httpx.Client(base_url=base, timeout=20, trust_env=False))
        self.http.get("/admin/login/")
        form = {"username": name, "password": "sandbox", "csrfmiddlewaretoken": self.token()}
        answer = self.http.post("/admin/login/", data=form, headers={"Referer": base})
        assert answer.status_code == 302, answer.text[:500]

    def token(self) -> str:
        return self.http.cookies["csrftoken"]

    def figures(self) -> dict:
        answer = self.http.get("/dashboard/figures")
        assert answer.status_code == 200
        return answer.json()

    def open_alerts(self) -> list[str]:
        return [alert["name"] for alert in self.figures()["watch"]["alerts"]]

    def send(self, path: str, **given) -> None:
        """Open a page with a form, fill it in, send it with what it hides; it leads on."""
        hidden = dict(HIDDEN.findall(self.http.get(path).text))
        answer = self.http.post(path, data=hidden | given, headers={"Referer": self.base})
        assert answer.status_code == 302, answer.text
