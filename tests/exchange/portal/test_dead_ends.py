"""Where a person ends up who took a wrong way: each page says what happened, and has a way on."""

import re
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from tests import factories
from tests.actors import Actor, Cast
from tests.exchange.portal.linking import Answer, make_link, text_of
from transfers.models import Transfer
from transfers.rules.lifecycle import State

PASSWORD = "correct horse battery"
ACTS = ["send", "remove", "finalise", "accept", "decline", "acknowledge", "release", "retry", "extend", "reopen"]
ACTS += ["revoke", "renew-link", "withdraw"]


@pytest.fixture
def transfer(cast: Cast) -> Transfer:
    return factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)


@pytest.fixture
def operator(cast: Cast) -> Actor:
    return Actor("operator", user=User.objects.create_superuser("op@example.org", PASSWORD, name="Olive"))


def ways(response: Answer) -> list[str]:
    main = response.content.decode().partition("<main")[2].partition("</main>")[0]
    return re.findall(r'<a [^>]*href="([^"#]+)"', main)


# A session that ended


def test_a_form_sent_after_the_session_says_so_and_leads_back_to_the_transfer(cast: Cast, transfer: Transfer) -> None:
    assert cast.alice.user is not None
    cast.alice.user.set_password(PASSWORD)
    cast.alice.user.save()
    browser, before = Client(), transfer.available_until
    asked = browser.post(f"/transfers/{transfer.pk}/extend/", {"until": "2030-01-01"}, follow=True)
    assert asked.redirect_chain == [(f"/accounts/login/?next=/transfers/{transfer.pk}/", 302)]
    assert "You were signed out meanwhile: nothing was changed." in text_of(asked)
    form = {"login": cast.alice.user.email, "password": PASSWORD, "next": f"/transfers/{transfer.pk}/"}
    page = browser.post("/accounts/login/", form, follow=True)
    assert page.status_code == 200 and transfer.reference in text_of(page)
    assert "signed out meanwhile" not in text_of(page)
    transfer.refresh_from_db()
    assert transfer.available_until == before


@pytest.mark.parametrize("name", ACTS)
def test_the_address_of_an_act_shows_the_transfer(cast: Cast, transfer: Transfer, name: str) -> None:
    response = cast.alice.client.get(f"/transfers/{transfer.pk}/{name}/", follow=True)
    assert response.redirect_chain == [(f"/transfers/{transfer.pk}/", 302)]
    assert transfer.reference in text_of(response)
    transfer.refresh_from_db()
    assert transfer.state == State.AVAILABLE


def test_the_address_of_no_act_is_not_found(cast: Cast, transfer: Transfer) -> None:
    assert cast.alice.client.get(f"/transfers/{transfer.pk}/publish/").status_code == 404


def test_the_address_of_leaving_shows_the_link(cast: Cast) -> None:
    link = make_link(cast)
    link.open()
    response = link.browser.get(f"{link.inside}leave/", follow=True)
    assert response.redirect_chain == [(link.inside, 302)]
    assert "Download all" in text_of(response)


@pytest.mark.parametrize("path", ["/", "/sent/", "/transfers/{}/", "/transfers/{}/download/"])
def test_a_method_that_is_not_offered_has_a_page(cast: Cast, path: str) -> None:
    response = cast.alice.client.post(path.format(uuid4()))
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
    assert "Not possible here" in text_of(response) and ways(response) == ["/"]
    assert ways(cast.anonymous.client.post(path.format(uuid4()))) == ["/accounts/login/"]


def test_the_reader_of_a_link_is_not_asked_to_sign_in(cast: Cast) -> None:
    link = make_link(cast)
    response = link.browser.post(link.inside)
    assert (response.status_code, ways(response)) == (405, [])
    assert "Open the link in your mail again" in text_of(response)


# Pages that say no


def test_what_is_not_there_has_a_way_on(cast: Cast) -> None:
    for path in ("/nowhere", f"/transfers/{uuid4()}/"):
        response = cast.bob.client.get(path)
        assert (response.status_code, ways(response)) == (404, ["/"])
        assert "Sign out" in text_of(response)
    assert ways(cast.anonymous.client.get("/nowhere")) == ["/accounts/login/"]


def test_who_may_not_enter_the_admin_can_leave_or_sign_in_as_another(cast: Cast) -> None:
    response = cast.bob.client.get("/admin/", follow=True)
    assert response.status_code == 403
    assert "Not allowed" in text_of(response) and ways(response) == ["/", "/accounts/logout/"]


def test_a_form_that_was_too_old_has_a_way_on(cast: Cast, transfer: Transfer) -> None:
    client = cast.alice.client
    client.handler.enforce_csrf_checks = True
    response = client.post(f"/transfers/{transfer.pk}/withdraw/", {"sure": "on"})
    assert (response.status_code, ways(response)) == (403, [f"/transfers/{transfer.pk}/", "/"])
    assert "nothing was changed" in text_of(response) and "Sign out" in text_of(response)


def test_only_who_has_a_closed_account_reads_of_it(cast: Cast) -> None:
    assert cast.bob.client.get("/accounts/inactive/")["Location"] == "/"
    response = cast.anonymous.client.get("/accounts/inactive/")
    assert "Account closed" in text_of(response) and ways(response) == ["/accounts/login/"]


# The first minutes


def test_an_operator_finds_the_administration(cast: Cast, operator: Actor) -> None:
    page = operator.client.get("/")
    assert '<a href="/admin/">Administration</a>' in page.content.decode()
    assert "You belong to no organisation here yet" in text_of(page) and "/admin/" in ways(page)
    assert operator.client.get("/admin/").status_code == 200


def test_nobody_else_is_shown_it(cast: Cast) -> None:
    assert "Administration" not in text_of(cast.alice.client.get("/"))


def test_who_belongs_nowhere_is_told_whom_to_ask(cast: Cast) -> None:
    newcomer = Actor("newcomer", user=User.objects.create_user("new@example.org", name="New"))
    for path in ("/", "/sent/"):
        page = newcomer.client.get(path)
        assert "Ask the administrator of your organisation" in text_of(page) and ways(page) == []


def test_who_may_not_send_is_told_so(cast: Cast) -> None:
    assert "You may not send for your organisation" in text_of(cast.bob.client.get("/sent/"))
    page = cast.alice.client.get("/sent/").content.decode()
    assert re.search(r'<a href="/api/[^"]*">interface</a>', page)
