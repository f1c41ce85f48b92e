"""Who gets which answer where: every route of the exchange, by actor and by relation to what is asked for.

A row is one route and method. Its `answers` give, for each actor, one status for each of RELATIONS in order; a
single status stands for all. Add a row with every new route: the test fails on one that is not here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from tests.exchange.world import RELATIONS, Target

SENDING, READING_SENDER = "alice sender_store sender_manage", "sender_read"
RECEIVING, OUTSIDE, NOBODY = "bob recipient_read", "carol clinic_read mallory stranger_key", "anonymous"
EVERYBODY: Final = f"{SENDING} {READING_SENDER} {RECEIVING} {OUTSIDE} {NOBODY}"


@dataclass(frozen=True)
class Request:
    path: str
    body: Any = None  # Any: JSON, or octets
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Ask = Callable[[Target], Request]
Answers = Mapping[str, str]


@dataclass(frozen=True)
class Row:
    route: str
    method: str
    ask: Ask
    answers: Answers

    def expected(self, actor: str, relation: str) -> int:
        line = next(line for names, line in self.answers.items() if actor in names.split())
        statuses = line.split()
        return int(statuses[0] if len(statuses) == 1 else statuses[RELATIONS.index(relation)])


# How rows ask.


def at(path: str, body: Any = None) -> Ask:  # Any: JSON
    """A path that may name parts of the target: `{transfer_id}`, `{study}`, …"""
    return lambda target: Request(path.format(**vars(target)), body)


def act(name: str, body: Any = None) -> Ask:  # Any: JSON
    return at(f"/api/transfers/{{transfer_id}}/{name}/", body or {})


def revoke(target: Target) -> Request:
    return Request(f"/api/transfers/{target.transfer_id}/revoke/", {"delivery": target.delivery})


def renew(target: Target) -> Request:
    return Request(f"/api/transfers/{target.transfer_id}/renew-link/", {"delivery": target.link_delivery})


def attach(target: Target) -> Request:
    return Request(f"/api/transfers/{target.transfer_id}/documents/", b"a report", "text/plain")


def push(path: str) -> Ask:
    """A push of what is no study: who may push where is decided before a byte is read, and then it is 415."""
    return lambda target: Request(path.format(**vars(target)), b"x", "text/plain")


def preflight(path: str) -> Ask:
    """What a browser asks beforehand, of an origin that no organisation lists."""
    headers = {"Origin": "https://viewer.example.org", "Access-Control-Request-Method": "GET"}
    return lambda target: Request(path.format(**vars(target)), headers=headers)


def fill(name: str, form: str) -> Ask:
    """A form of a transfer's page, as a browser sends it."""

    def ask(target: Target) -> Request:
        values = {"day": f"{timezone.now().date() + timedelta(days=60)}", "delivery": target.delivery}
        body = form.format(**values).encode()
        return Request(f"/transfers/{target.transfer_id}/{name}/", body, "application/x-www-form-urlencoded")

    return ask


def soon() -> str:
    return (timezone.now() + timedelta(days=60)).isoformat()


# What the answers are.


def all_alike(status: int) -> Answers:
    return {EVERYBODY: str(status)}


def for_callers(status: int) -> Answers:
    return {NOBODY: "401", EVERYBODY: str(status)}


def by_sender(line: str) -> Answers:
    """An act of the sending side: a reading key sees it and may not; a recipient sees what was available to it."""
    return {
        SENDING: line,
        f"{READING_SENDER} {RECEIVING}": "403 404 404 403 403 403",
        OUTSIDE: "404",
        NOBODY: "401",
    }


def by_recipient(line: str) -> Answers:
    return {
        RECEIVING: line,
        f"{SENDING} {READING_SENDER}": "403 404 404 403 403 403",
        OUTSIDE: "404",
        NOBODY: "401",
    }


def by_either(line: str) -> Answers:
    return {f"{SENDING} {READING_SENDER} {RECEIVING}": line, OUTSIDE: "404", NOBODY: "401"}


def by_reader(line: str) -> Answers:
    """What is in a transfer: a key of its sender that only pushes or administers gets nothing back."""
    return {
        f"alice {READING_SENDER} {RECEIVING}": line,
        "sender_store sender_manage": "403 404 404 403 403 403",
        OUTSIDE: "404",
        NOBODY: "401",
    }


API: Final = [
    Row("api:transfers", "GET", at("/api/transfers/"), for_callers(200)),
    Row(
        "api:transfers",
        "POST",
        at("/api/transfers/", {}),
        {
            "alice sender_store mallory stranger_key": "201",
            "sender_manage sender_read bob carol recipient_read clinic_read": "403",
            NOBODY: "401",
        },
    ),
    Row("api:transfer", "GET", at("/api/transfers/{transfer_id}/"), by_either("200 404 404 200 200 200")),
    Row("api:transfer", "PATCH", at("/api/transfers/{transfer_id}/", {}), by_sender("409 404 404 410 410 410")),
    Row("api:transfer-send", "POST", act("send"), by_sender("409 404 404 410 410 410")),
    Row(
        "api:transfer-declare",
        "POST",
        act("declare", {"sop_instance_uids": ["1.2.3"]}),
        by_sender("409 404 404 410 410 410"),
    ),
    Row("api:transfer-finalise", "POST", act("finalise"), by_sender("409 404 404 410 410 410")),
    Row("api:transfer-release", "POST", act("release", {"note": "agreed"}), by_sender("409 404 404 410 410 410")),
    Row("api:transfer-extend", "POST", act("extend", {"until": soon()}), by_sender("200 404 404 410 410 410")),
    Row("api:transfer-withdraw", "POST", act("withdraw"), by_sender("200 404 404 200 409 409")),
    Row("api:transfer-revoke", "POST", revoke, by_sender("200 404 404 410 410 410")),
    Row("api:transfer-renew-link", "POST", renew, by_sender("200 404 404 410 410 410")),
    Row("api:transfer-reopen", "POST", act("reopen", {"until": soon()}), by_sender("409 404 404 200 200 410")),
    Row("api:transfer-accept", "POST", act("accept"), by_recipient("200 404 404 410 410 410")),
    Row("api:transfer-decline", "POST", act("decline", {"reason": "no"}), by_recipient("200 404 404 410 410 410")),
    Row("api:transfer-acknowledge", "POST", act("acknowledge"), by_recipient("200 404 404 410 410 410")),
    Row("api:transfer-documents", "POST", attach, by_sender("201 404 404 410 410 410")),
    Row(
        "api:transfer-download",
        "GET",
        at("/api/transfers/{transfer_id}/download/"),
        by_reader("200 404 404 410 410 410"),
    ),
    Row("api:directory", "GET", at("/api/directory/?q=a"), for_callers(200)),
    Row(
        "api:keys",
        "GET",
        at("/api/keys/"),
        {
            "alice sender_manage bob carol mallory stranger_key": "200",
            "sender_store sender_read recipient_read clinic_read": "403",
            NOBODY: "401",
        },
    ),
    Row(
        "api:keys",
        "POST",
        at("/api/keys/", {"name": "PACS", "scopes": ["read"]}),
        {
            "alice sender_manage bob carol mallory stranger_key": "201",
            "sender_store sender_read recipient_read clinic_read": "403",
            NOBODY: "401",
        },
    ),
    Row(
        "api:key",
        "DELETE",
        at("/api/keys/0000000000000000/"),
        {
            "alice sender_manage bob carol mallory stranger_key": "404",
            "sender_store sender_read recipient_read clinic_read": "403",
            NOBODY: "401",
        },
    ),
    Row(
        "api:disclosures-search",
        "POST",
        at("/api/disclosures/search/", {"patient_id": "P-1"}),
        {
            "alice sender_manage mallory stranger_key": "200",
            "sender_store sender_read bob carol recipient_read clinic_read": "403",
            NOBODY: "401",
        },
    ),
    Row("api:schema", "GET", at("/api/schema/"), all_alike(200)),
    Row("api:docs", "GET", at("/api/docs/"), all_alike(200)),
]

HEALTH: Final = [
    Row("healthz", "GET", at("/healthz"), all_alike(200)),
    Row("readyz", "GET", at("/readyz"), all_alike(200)),
    # From another machine and without its token: whatever else the caller may do.
    Row("metrics", "GET", at("/metrics"), all_alike(401)),
    Row("oauth-token", "POST", at("/oauth/token", {}), all_alike(400)),
]


def in_the_union(line: str) -> Answers:
    """Below /dicomweb/ everybody finds what was delivered to them and nothing else; a key without scope is told."""
    return {
        RECEIVING: line,
        "sender_store sender_manage": "403",
        f"alice {READING_SENDER} {OUTSIDE}": "404",
        NOBODY: "401",
    }


def pushing(line: str, *, elsewhere: str) -> Answers:
    """Only a key pushes: a browser's cookie would push for whoever made the browser ask."""
    return {
        "sender_store": line,
        "stranger_key": elsewhere,
        f"sender_manage {READING_SENDER} recipient_read clinic_read": "403",
        f"alice bob carol mallory {NOBODY}": "401",
    }


_STUDY, _SERIES = "/studies/{study}", "/studies/{study}/series/{series}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"
_RETRIEVED: Final = {
    "study": _STUDY,
    "study-metadata": f"{_STUDY}/metadata",
    "series": _SERIES,
    "series-metadata": f"{_SERIES}/metadata",
    "instance": _INSTANCE,
    "instance-metadata": f"{_INSTANCE}/metadata",
    "frames": f"{_INSTANCE}/frames/1",
    "bulkdata": f"{_INSTANCE}/bulkdata/7FE00010",
    "study-bulkdata": f"{_STUDY}/bulkdata",
    "study-pixeldata": f"{_STUDY}/pixeldata",
    "series-bulkdata": f"{_SERIES}/bulkdata",
    "series-pixeldata": f"{_SERIES}/pixeldata",
    "instance-bulkdata": f"{_INSTANCE}/bulkdata",
    "instance-pixeldata": f"{_INSTANCE}/pixeldata",
    "study-rendered": f"{_STUDY}/rendered",
    "study-thumbnail": f"{_STUDY}/thumbnail",
    "series-rendered": f"{_SERIES}/rendered",
    "series-thumbnail": f"{_SERIES}/thumbnail",
    "instance-rendered": f"{_INSTANCE}/rendered",
    "instance-thumbnail": f"{_INSTANCE}/thumbnail",
    "frames-rendered": f"{_INSTANCE}/frames/1/rendered",
    "frames-thumbnail": f"{_INSTANCE}/frames/1/thumbnail",
}
_SEARCHED: Final = {
    "studies": "/studies",
    "search-all-series": "/series",
    "search-all-instances": "/instances",
    "search-study-series": f"{_STUDY}/series",
    "search-study-instances": f"{_STUDY}/instances",
    "search-series-instances": f"{_SERIES}/instances",
}


def searching(line: str) -> Answers:
    """A search that finds nothing says so with 204; what is foreign is not found."""
    return {
        RECEIVING: line,
        "sender_store sender_manage": "403",
        f"alice {READING_SENDER} {OUTSIDE}": "204",
        NOBODY: "401",
    }


_ONE: Final = "/dicomweb/transfers/{transfer_id}"

DICOMWEB: Final = [
    *(
        Row(f"dicomweb:{name}", "GET", at(f"/dicomweb{path}"), in_the_union("200 404 404 410 410 404"))
        for name, path in _RETRIEVED.items()
    ),
    *(
        Row(f"dicomweb:{name}", "GET", at(f"/dicomweb{path}"), searching("200 204 204 204 204 204"))
        for name, path in _SEARCHED.items()
        if "{study}" in path
    ),
    *(
        Row(f"dicomweb:{name}", "GET", at(f"/dicomweb{path}"), searching("200"))
        for name, path in _SEARCHED.items()
        if "{study}" not in path
    ),
    *(
        Row(f"dicomweb:transfer:{name}", "GET", at(f"{_ONE}{path}"), by_reader("200 404 404 410 410 410"))
        for name, path in {**_RETRIEVED, **_SEARCHED}.items()
    ),
    Row("dicomweb:studies", "POST", push("/dicomweb/studies"), pushing("415", elsewhere="415")),
    Row("dicomweb:study", "POST", push(f"/dicomweb{_STUDY}"), pushing("415", elsewhere="415")),
    *(
        Row(f"dicomweb:transfer:{name}", "POST", push(_ONE + path), pushing("409 404 404 410 410 410", elsewhere="404"))
        for name, path in {"studies": "/studies", "study": _STUDY}.items()
    ),
    *(
        Row(
            f"dicomweb:to:{name}", "POST", push(f"/dicomweb/to/general-hospital{path}"), pushing("415", elsewhere="415")
        )
        for name, path in {"store-to": "/studies", "store-study-to": _STUDY}.items()
    ),
    Row(
        "wado",
        "GET",
        at("/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"),
        in_the_union("200 404 404 410 410 404"),
    ),
    # A transaction is its caller's alone; what is kept is told by instance, so that what is foreign looks absent.
    *(
        Row(f"dicomweb:{name}commitment", method, at(f"/dicomweb{root}/commitment-requests/1.2.3", body), answers)
        for name, root in {"": "", "transfer:": "/transfers/{transfer_id}", "to:": "/to/general-hospital"}.items()
        for method, body, answers in (
            ("GET", None, for_callers(404)),
            ("POST", {}, {f"alice bob carol mallory {NOBODY}": "401", EVERYBODY: "400"}),
        )
    ),
    Row("dicomweb:root", "GET", at("/dicomweb/"), in_the_union("404")),
    Row("dicomweb:to:root", "GET", at("/dicomweb/to/general-hospital/"), in_the_union("404")),
    Row("dicomweb:transfer:root", "GET", at(f"{_ONE}/"), for_callers(404)),
    # What is offered is the same for every caller, whatever is there.
    Row("dicomweb:root", "OPTIONS", at("/dicomweb/"), for_callers(200)),
    Row("dicomweb:to:root", "OPTIONS", at("/dicomweb/to/general-hospital/"), for_callers(200)),
    Row("dicomweb:transfer:root", "OPTIONS", at(f"{_ONE}/"), for_callers(200)),
    Row("dicomweb:study", "OPTIONS", at(f"/dicomweb{_STUDY}"), for_callers(200)),
    # Without a credential, and the same for everybody.
    Row("dicomweb:study", "OPTIONS", preflight(f"/dicomweb{_STUDY}"), all_alike(204)),
    Row("dicomweb:transfer:study", "OPTIONS", preflight(_ONE + _STUDY), all_alike(204)),
    Row("wado", "OPTIONS", preflight("/wado"), all_alike(204)),
    Row("dicomweb:nowhere", "GET", at("/dicomweb/patients"), in_the_union("404")),
]


def on_a_page(*, sender: str, recipient: str) -> Answers:
    """Pages know people by their session; a key is nobody there, and nobody is shown where to sign in."""
    machines = "sender_store sender_manage sender_read recipient_read clinic_read stranger_key"
    return {"alice": sender, "bob": recipient, "carol mallory": "404", f"{machines} {NOBODY}": "302"}


def for_people(status: int) -> Answers:
    return {**on_a_page(sender=str(status), recipient=str(status)), "carol mallory": str(status)}


_SEEN: Final = "200 404 404 200 200 200"
_PULLED: Final = "200 404 404 410 410 410"

PORTAL: Final = [
    Row("portal:inbox", "GET", at("/"), for_people(200)),
    Row("portal:sent", "GET", at("/sent/"), for_people(200)),
    Row("portal:transfer", "GET", at("/transfers/{transfer_id}/"), on_a_page(sender=_SEEN, recipient=_SEEN)),
    Row(
        "portal:download",
        "GET",
        at("/transfers/{transfer_id}/download/"),
        on_a_page(sender=_PULLED, recipient=_PULLED),
    ),
    Row(
        "portal:document",
        "GET",
        at("/transfers/{transfer_id}/documents/{document}/"),
        on_a_page(sender=_PULLED, recipient=_PULLED),
    ),
    Row(
        "portal:act",
        "POST",
        fill("acknowledge", "sure=on"),
        on_a_page(sender="403 404 404 403 403 403", recipient="303 404 404 410 410 410"),
    ),
    *(
        Row("portal:act", "POST", fill(name, form), on_a_page(sender=line, recipient="403 404 404 403 403 403"))
        for name, form, line in (
            ("send", "recipients=county-clinic&urgency=routine", "409 404 404 410 410 410"),
            ("remove", "delivery={delivery}", "409 404 404 410 410 410"),
            ("finalise", "", "409 404 404 410 410 410"),
            ("release", "note=agreed", "409 404 404 410 410 410"),
            ("retry", "", "409 404 404 410 410 410"),
            ("extend", "until={day}", "303 404 404 410 410 410"),
            ("reopen", "until={day}", "409 404 404 303 303 410"),
            ("revoke", "delivery={delivery}&sure=on", "303 404 404 410 410 410"),
            ("withdraw", "sure=on", "303 404 404 303 409 409"),
        )
    ),
    # Leads to the page of the transfer, whoever asks and whatever is there.
    Row("portal:act", "GET", at("/transfers/{transfer_id}/extend/"), all_alike(302)),
    # A link is for whoever holds it, and says the same to all; what is behind it needs the second factor.
    Row("portal:link", "GET", at("/s/{token}/"), {EVERYBODY: "200 200 404 410 410 410"}),
    Row("portal:grant", "GET", at("/g/{grant}/"), all_alike(401)),
    Row("portal:grant-download", "GET", at("/g/{grant}/download/"), all_alike(401)),
    Row("portal:grant-document", "GET", at("/g/{grant}/documents/{document}/"), all_alike(401)),
    *(
        Row(f"dicomweb-link:{name}", "GET", at(f"/g/{{grant}}/dicomweb{path}"), all_alike(401))
        for name, path in {**_RETRIEVED, **_SEARCHED, "root": "/", "nowhere": "/patients"}.items()
    ),
    Row("dicomweb-link:root", "OPTIONS", at("/g/{grant}/dicomweb/"), all_alike(401)),
    Row("dicomweb-link:study", "OPTIONS", preflight(f"/g/{{grant}}/dicomweb{_STUDY}"), all_alike(401)),
    Row("dicomweb-link:studies", "POST", push("/g/{grant}/dicomweb/studies"), all_alike(401)),
    Row("portal:grant-leave", "GET", at("/g/{grant}/leave/"), all_alike(302)),
    Row("portal:grant-leave", "POST", at("/g/{grant}/leave/"), all_alike(200)),
    Row("favicon", "GET", at("/favicon.ico"), all_alike(301)),
    # Nobody of the cast is an operator.
    Row("admin:index", "GET", at("/admin/"), all_alike(302)),
]

ROWS: Final = [*API, *HEALTH, *DICOMWEB, *PORTAL]
