"""The first requests of a seed that does not change, without a server; `make nightly` sends thousands with one."""

from collections import Counter

import pytest
from django.test import Client

from tests.exchange.dicomweb.conftest import Reply, Site, site
from tests.exchange.dicomweb.pictures import ramp, report, send, shipped, state_for
from tests.fuzz import asking, grammar
from tests.fuzz.asking import Answer
from tests.fuzz.grammar import Instance, Place, Request
from transfers.models import Transfer

SEED, COUNT = 20261124, 150


@pytest.fixture
def reader(db: None) -> Site:
    return site("read", "store")


@pytest.fixture
def place(reader: Site) -> Place:
    """An image, a presentation state, a report and frames of colour, delivered; and files to push."""
    image = ramp()
    files = [image, state_for(image), report(), shipped("SC_rgb_rle_2frame.dcm"), shipped("CT_small.dcm")]
    paths = [path for file in files for path in send(site("store"), reader, file)]
    transfers = Transfer.objects.order_by("created_at").values_list("pk", flat=True)
    instances = [
        Instance(str(transfer), *path.split("/")[-5::2]) for transfer, path in zip(transfers, paths, strict=True)
    ]
    return Place(instances, [reader.organization.address, "nobody"], files)


def ask(reader: Site, request: Request) -> Answer:
    headers = {name: value for name, value in request.headers if name != "Content-Type"}
    response = Client().generic(
        request.method,
        request.target,
        request.body,
        content_type=dict(request.headers).get("Content-Type", ""),
        headers={**headers, "Authorization": reader.authorization},
    )
    reply = Reply.of(response)
    return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.body, 0.0)


def test_no_request_makes_it_fail(reader: Site, place: Place) -> None:
    found, statuses = {}, Counter[int]()
    for number, request in enumerate(grammar.requests(SEED, COUNT, place)):
        answer = ask(reader, request)
        statuses[answer.status] += 1
        if wrong := asking.complaints(request, answer):
            found[number] = (request.method, request.target, wrong)
    assert found == {}
    # Were all of them refused at the door, nothing behind it would have been tried.
    assert statuses[200] + statuses[206] + statuses[204] > COUNT / 10, statuses
    assert {400, 404, 405, 406} <= set(statuses)
