"""What only pages need stands aside where the contract is spoken, and nowhere else."""

import pytest
from csp.constants import HEADER
from django.test import Client

pytestmark = pytest.mark.django_db
GUARDS = (HEADER, "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")


def test_a_form_of_another_site_is_refused():
    assert Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a", "password": "b"}).status_code == 403


def test_answers_of_the_contract_carry_the_headers_of_pages_and_no_cookie():
    page, answer = Client().get("/admin/login/"), Client().get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert all(answer[name] and page[name] for name in GUARDS)
    assert sorted(answer[HEADER].split("; ")) == sorted(Client().get("/nowhere")[HEADER].split("; "))
    assert page.cookies
    assert not answer.cookies
