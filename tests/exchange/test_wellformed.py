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
