"""/api/directory/ and /api/disclosures/search/."""

import pytest

from tests import factories
from tests.actors import Cast
from tests.exchange.api.requests import get, post, said
from transfers.rules.lifecycle import State


def test_places_are_found_by_name_and_address(cast: Cast) -> None:
    factories.make_department(cast.general_hospital, "radiology")
    found = said(get(cast.sender_store, "directory/?q=general"))["results"]
    assert {one["address"] for one in found} == {"general-hospital", "general-hospital.radiology"}


def test_what_is_found_can_be_sent_to(cast: Cast) -> None:
    (found,) = said(get(cast.alice, "directory/?q=county"))["results"]
    assert post(cast.alice, "transfers/", {"recipients": [found["address"]]}).status_code == 201


def test_a_closed_site_is_not_found(cast: Cast) -> None:
    cast.county_clinic.is_active = False
    cast.county_clinic.save()
    assert said(get(cast.alice, "directory/?q=county"))["results"] == []


def test_an_endless_query_is_refused(cast: Cast) -> None:
    assert get(cast.alice, f"directory/?q={'x' * 101}").status_code == 400


def test_an_unknown_filter_is_refused_by_name(cast: Cast) -> None:
    response = get(cast.alice, "directory/?query=general")
    assert response.status_code == 400
    assert said(response)["errors"] == [{"field": "query", "detail": "Unknown field. Known here: q."}]


def test_administrators_learn_who_got_what(cast: Cast) -> None:
    factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    response = post(cast.alice, "disclosures/search/", {"patient_id": "P-1"})
    assert response.status_code == 200
    assert said(response)["results"] == []


@pytest.mark.parametrize(("actor", "status"), [("bob", 403), ("sender_read", 403), ("anonymous", 401)])
def test_others_do_not(cast: Cast, actor: str, status: int) -> None:
    assert post(getattr(cast, actor), "disclosures/search/", {"patient_id": "P-1"}).status_code == status


def test_identifiers_are_not_taken_from_the_url(cast: Cast) -> None:
    assert post(cast.alice, "disclosures/search/?patient_id=P-1", {}).status_code == 400
