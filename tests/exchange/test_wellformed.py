"""Addresses with control characters are refused by every door alike, and are no failure of ours."""

import pytest
from django.test import Client

from tests import factories, sealing

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/dicomweb/studies/%00",
        "/dicomweb/studies/1.2/series/%00/instances",
        "/dicomweb/studies/1.2/series/1.3/instances/1.4%0D%0AX-Injected:%201",
        "/dicomweb/studies?PatientID=%00",
        "/wado?requestType=WADO&studyUID=%00&seriesUID=1.3&objectUID=1.4",
        "/api/directory/?q=a%00",
        "/s/%00/",
        "/%7F",
    ],
)
def test_control_character_is_refused(path: str) -> None:
    _, authorization = sealing.caller(factories.make_organization(), "read", "manage")
    response = Client().get(path, headers={"Authorization": authorization})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert "X-Injected" not in response


def test_push_to_an_address_with_nul_is_refused() -> None:
    _, authorization = sealing.caller(factories.make_organization(), "store")
    response = Client().post(
        "/dicomweb/to/%00/studies", b"x", content_type="application/dicom", headers={"Authorization": authorization}
    )
    assert response.status_code == 400


def test_other_signs_are_let_through() -> None:
    _, authorization = sealing.caller(factories.make_organization(), "manage")
    response = Client().get("/api/directory/?q=%2500%C3%A9%0A", headers={"Authorization": authorization})
    assert response.status_code == 200


def test_an_answer_without_a_body_describes_none() -> None:
    _, authorization = sealing.caller(factories.make_organization(), "read")
    response = Client().get("/dicomweb/studies?PatientID=nobody", headers={"Authorization": authorization})
    assert response.status_code == 204
    assert "Content-Length" not in response and "Content-Type" not in response


def test_what_is_sent_without_the_last_slash_comes_along() -> None:
    _, authorization = sealing.caller(factories.make_organization(), "store")
    response = Client().post("/api/transfers", {}, "application/json", headers={"Authorization": authorization})
    assert (response.status_code, response["Location"]) == (308, "/api/transfers/")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/dicomweb/to/somewhere/studies", "application/dicom"),
        ("/dicomweb/studies", "application/dicom"),
        ("/api/transfers/", "application/json"),
    ],
)
def test_a_coded_body_is_not_taken_for_what_it_is_not(coding: str, path: str, media_type: str) -> None:
    _, authorization = sealing.caller(factories.make_organization(), "store")
    factories.make_organization("somewhere")
    headers = {"Authorization": authorization, "Content-Encoding": coding}
    response = Client().post(path, b"{}", media_type, headers=headers)
    assert response.status_code == 415
    assert "Content-Encoding" in response.json()["detail"]


@pytest.mark.parametrize("text", ["[" * 2000, '{"recipients":' + "[" * 990 + "]" * 990 + "}"])
@pytest.mark.parametrize("path", ["/api/transfers/", "/api/keys/", "/api/disclosures/search/"])
def test_deep_json_is_refused(text: str, path: str) -> None:
    _, authorization = sealing.caller(factories.make_organization(), "store", "manage")
    response = Client().post(path, text, "application/json", headers={"Authorization": authorization})
    assert response.status_code == 400
