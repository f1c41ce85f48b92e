"""Requests to the DICOMweb doors that no client should send, and many that one might (DICOM PS3.18, RFC 9110).

A request depends on its seed, its number and the place alone, so that a single one of a long run can be sent again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

from tests.fuzz import bodies, models, words

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Instance:
    """One instance that is there, by its UIDs, and the transfer it came with."""

    transfer: str
    study: str
    series: str
    sop_instance: str


@dataclass(frozen=True)
class Place:
    """What a request may speak of: what is there, whom one may send to, and files."""

    instances: Sequence[Instance]
    addresses: Sequence[str]
    files: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True)
class Request:
    """What is sent; `target` is ASCII, path and query, and the values of headers are Latin-1."""

    method: str
    target: str
    headers: Headers
    body: bytes = field(default=b"", repr=False)


def requests(seed: int, count: int, place: Place) -> Iterator[Request]:
    """The first `count` requests of a seed."""
    return (request(seed, number, place) for number in range(count))


def request(seed: int, number: int, place: Place) -> Request:
    """The request of this number."""
    rng = Random(f"{seed}:{number}")
    makers = (_read, _search, _wado_uri, _store, _commit, _stray)
    make = rng.choices(makers, weights=(46, 22, 12, 13, 3, 4))[0]
    return make(rng, place)


def _read(rng: Random, place: Place) -> Request:
    one = rng.choice(place.instances)
    path = _root(rng, one) + _resource(rng, one)
    query = _query(rng, words.RENDERED, most=2) if rng.random() < 0.4 else ""
    return Request(_method(rng), path + query, _headers(rng))


def _search(rng: Random, place: Place) -> Request:
    one = rng.choice(place.instances)
    study, series = _uid(rng, one.study), _uid(rng, one.series)
    path = rng.choice(words.SEARCHES).format(study=study, series=series)
    known = {name: [*values, one.study, one.series, one.sop_instance] for name, values in words.KEYS.items()}
    return Request(_method(rng), _root(rng, one) + path + _query(rng, known, most=6), _headers(rng))


def _wado_uri(rng: Random, place: Place) -> Request:
    one = rng.choice(place.instances)
    asked = {
        "requestType": ["WADO", "WADO", "WADO", "WADO", "wado", ""],
        "studyUID": [one.study] * 9 + [*words.UIDS],
        "seriesUID": [one.series] * 9 + [*words.UIDS],
        "objectUID": [one.sop_instance] * 9 + [*words.UIDS],
    }
    pairs = [(name, rng.choice(values)) for name, values in asked.items() if rng.random() < 0.97]
    others = {**words.WADO_URI, "presentationUID": [one.sop_instance, "1.2"], "presentationSeriesUID": [one.series]}
    pairs += [(name, rng.choice(others[name])) for name in rng.choices(list(others), k=rng.randrange(5))]
    return Request(_method(rng), "/wado" + _joined(rng, pairs), _headers(rng))


def _store(rng: Random, place: Place) -> Request:
    one = rng.choice(place.instances)
    root = rng.choice([_root(rng, one), _root(rng, one), *(f"/dicomweb/to/{name}" for name in place.addresses)])
    path = rng.choice(["/studies", "/studies", f"/studies/{_uid(rng, one.study)}"])
    body, content_type = bodies.make(rng, place.files)
    return Request("POST", root + path, [*_headers(rng), ("Content-Type", content_type)], body)


def _commit(rng: Random, place: Place) -> Request:
    one = rng.choice(place.instances)
    target = f"{_root(rng, one)}/commitment-requests/{_uid(rng, f'1.2.{rng.randrange(1 << 40)}')}"
    if rng.random() < 0.3:
        return Request("GET", target, _headers(rng))
    body = models.references(rng, one.study, one.series, one.sop_instance)
    return Request("POST", target, [*_headers(rng), ("Content-Type", rng.choice(words.MODEL_TYPES))], body)


def _stray(rng: Random, place: Place) -> Request:
    """Somewhere below the root, by any method, with a body or without."""
    pieces = [
        rng.choice([*words.SEGMENTS, quote(rng.choice(words.TEXTS), safe="")]) for _ in range(rng.randrange(1, 9))
    ]
    body = rng.randbytes(rng.randrange(200)) if rng.random() < 0.3 else b""
    target = _root(rng, rng.choice(place.instances)) + "/" + "/".join(pieces) + _query(rng, words.KEYS, most=3)
    return Request(rng.choice(words.METHODS), target, _headers(rng), body)


def _root(rng: Random, one: Instance) -> str:
    own = f"/dicomweb/transfers/{one.transfer}"
    others = ("/dicomweb", f"/dicomweb/transfers/{words.NO_TRANSFER}", "/g/999999/dicomweb")
    return rng.choices((own, *others), weights=(84, 12, 2, 2))[0]


def _resource(rng: Random, one: Instance) -> str:
    return rng.choice(words.RESOURCES).format(
        study=_uid(rng, one.study),
        series=_uid(rng, one.series),
        instance=_uid(rng, one.sop_instance),
        frames=quote(rng.choice(words.FRAMES), safe=","),
        bulk=quote(rng.choice(words.BULK), safe="/"),
    )


def _uid(rng: Random, known: str) -> str:
    return known if rng.random() < 0.97 else quote(rng.choice(words.UIDS), safe="")


def _method(rng: Random) -> str:
    return "GET" if rng.random() < 0.9 else rng.choice(words.METHODS)


def _query(rng: Random, known: dict[str, list[str]], *, most: int) -> str:
    names = rng.choices(list(known), k=rng.randrange(most + 1))
    pairs = [(name, rng.choice(known[name])) for name in names]
    if rng.random() < 0.2:
        pairs.append((rng.choice([*known, *words.TEXTS]), rng.choice(words.TEXTS)))
    if rng.random() < 0.2:
        pairs.append(("accept", _accept(rng)))
    return _joined(rng, pairs)


def _joined(rng: Random, pairs: list[tuple[str, str]]) -> str:
    rng.shuffle(pairs)
    query = "&".join(f"{quote(name)}={quote(value, safe=',/*;=')}" for name, value in pairs)
    if rng.random() < 0.04:
        query += rng.choice(words.RAW_QUERIES)
    return f"?{query}" if query else ""


def _accept(rng: Random) -> str:
    if rng.random() < 0.7:
        return rng.choice(words.USUAL)
    return ", ".join(_range_of_types(rng) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def _range_of_types(rng: Random) -> str:
    text = rng.choice(words.MEDIA_TYPES)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        text += f"; {rng.choice(words.PARAMETERS)}"
    return text


def _headers(rng: Random) -> Headers:
    """Mostly an Accept header, now and then others; never the credential, which is added on the way out."""
    headers = [("Accept", _accept(rng))] if rng.random() < 0.85 else []
    others: dict[str, Callable[[], str]] = {
        "Range": lambda: rng.choice(words.RANGES),
        "If-None-Match": lambda: rng.choice(words.TAGS),
        "If-Range": lambda: rng.choice(words.TAGS),
        **{name: lambda name=name: rng.choice(words.HEADERS[name]) for name in words.HEADERS},  # type: ignore[misc]
    }
    headers += [(name, value()) for name, value in others.items() if rng.random() < (0.2 if name == "Range" else 0.04)]
    return headers
