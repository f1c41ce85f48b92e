"""What is done to each server; every case gives figures by name, larger or smaller being better as the name says."""

import http.client
import json
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from tests.benchmarks import data
from tests.benchmarks.data import Instance, StudySet
from tests.benchmarks.measures import measured
from tests.benchmarks.servers import Server

MB, GB = 1e6, 1e9
Figures = dict[str, float]
DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# Where ours says that instances lie; there it is told that this was all.
_TRANSFER = re.compile("/dicomweb/transfers/([0-9a-f-]+)/")
_STOW = 'multipart/related; type="application/dicom"; boundary=bench'


def push(server: Server, study: StudySet, *, connections: int, batch: int) -> Figures:
    """Store a study over so many connections, so many instances a request."""
    queue = list(data.bodies(study, batch))
    lock = threading.Lock()

    def work() -> None:
        connection = server.connect()
        while True:
            with lock:
                if not queue:
                    return
                body = queue.pop()
            _store(connection, server, body)

    with measured(server.pid, memory_of=server.memory_of) as result:
        all_at_once([work] * connections)
    return {
        "MB/s": study.size / MB / result.wall,
        "instances/s": len(study.instances) / result.wall,
        "CPU s/GB": result.cpu / (study.size / GB),
        "memory MiB": result.growth,
    }


def push_and_settle(server: Server, study: StudySet, *, connections: int, batch: int) -> Figures:
    """Store, and let validation end untimed, so that it does not run beside the next case."""
    figures = push(server, study, connections=connections, batch=batch)
    make_available(server, study.study_instance_uid)
    return figures


def push_stream(server: Server, study: StudySet, *, times: int) -> Figures:
    """One chunked body that holds the instances several times over, made while it is sent."""
    study_instance_uid, instances = study.repeated(times)
    with measured(server.pid, memory_of=server.memory_of) as result:
        connection = server.connect()
        headers = {"Content-Type": _STOW, "Transfer-Encoding": "chunked", **server.store_headers}
        connection.request("POST", server.store, _pieces(instances), headers, encode_chunked=True)
        _stored(server, connection.getresponse())
    make_available(server, study_instance_uid)
    size = study.size * times
    return {"MB/s": size / MB / result.wall, "memory MiB": result.growth}


def pull_study(server: Server, study: StudySet, *, connections: int = 1) -> Figures:
    """Retrieve a whole study as it was stored."""
    firsts: list[float] = []

    def work() -> None:
        connection = server.connect()
        started = time.perf_counter()
        first, size = read(connection, server, f"{server.root}/studies/{study.study_instance_uid}", DICOM)
        if size < study.size:
            raise AssertionError(f"{server.name} gave {size} of {study.size} bytes")
        firsts.append(first - started)

    with measured(server.pid, memory_of=server.memory_of) as result:
        all_at_once([work] * connections)
    return {
        "MB/s": connections * study.size / MB / result.wall,
        "first byte ms": statistics.median(firsts) * 1e3,
        "memory MiB": result.growth,
    }


def pull_instances(server: Server, study: StudySet, *, count: int = 200) -> Figures:
    """Single instances, one after the other over one connection."""
    base = f"{server.root}/studies/{study.study_instance_uid}/series/{study.series_instance_uid}/instances"
    connection, times = server.connect(), []
    for one in study.instances[:count]:
        started = time.perf_counter()
        read(connection, server, f"{base}/{one.sop_instance_uid}", DICOM)
        times.append((time.perf_counter() - started) * 1e3)
    return {"p50 ms": statistics.median(times), "p99 ms": sorted(times)[int(len(times) * 0.99)]}


def pull_frame(server: Server, study: StudySet) -> Figures:
    """The last frame of a large multi-frame instance."""
    base = f"{server.root}/studies/{study.study_instance_uid}/series/{study.series_instance_uid}/instances"
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    connection, times = server.connect(), []
    for _ in range(5):
        started = time.perf_counter()
        read(connection, server, f"{base}/{study.instances[0].sop_instance_uid}/frames/{study.frames}", accept)
        times.append((time.perf_counter() - started) * 1e3)
    return {"p50 ms": statistics.median(times)}


def metadata(server: Server, study: StudySet) -> Figures:
    """The metadata of every instance of a study, all attributes."""
    connection, times = server.connect(), []
    for _ in range(3):
        started = time.perf_counter()
        connection.request(
            "GET",
            f"{server.root}/studies/{study.study_instance_uid}/metadata",
            headers={"Accept": "application/dicom+json", **server.read_headers},
        )
        body = _expect(connection.getresponse(), 200)
        times.append((time.perf_counter() - started) * 1e3)
    if len(json.loads(body)) != len(study.instances):
        raise AssertionError(f"{server.name} gave metadata of another number of instances")
    return {"ms": statistics.median(times)}


def archive(server: Server, study: StudySet) -> Figures:
    """The study as a ZIP."""
    connection = server.connect()
    started = time.perf_counter()
    if server.name == "Orthanc":
        path, accept = f"/studies/{_orthanc_id(server, study)}/archive", "*/*"
    else:
        path, accept = f"{server.root}/studies/{study.study_instance_uid}", "application/zip"
    started = time.perf_counter()
    first, size = read(connection, server, path, accept)
    if size < 1000:
        raise AssertionError(f"{server.name} gave no archive")
    return {"MB/s": study.size / MB / (time.perf_counter() - started), "first byte ms": (first - started) * 1e3}


def finalise(server: Server) -> None:
    """Say of everything pushed that it is all."""
    connection = server.connect()
    while server.location:
        connection.request("POST", f"{server.location.pop()}/finalise/", headers=_empty(server))
        connection.getresponse().read()


def make_available(server: Server, study_instance_uid: str) -> None:
    """Say that this is all, and wait until the recipient may read what was pushed."""
    finalise(server)
    connection = server.connect()
    path = f"{server.root}/studies?StudyInstanceUID={study_instance_uid}"
    for _ in range(1800):
        connection.request("GET", path, headers={"Accept": "application/dicom+json", **server.read_headers})
        response = connection.getresponse()
        if response.read() and response.status == 200:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{server.name} does not show the study")


def await_count(server: Server, count: int) -> None:
    """Wait until so many studies may be read; each is validated by itself, which takes many minutes in all."""
    connection = server.connect()
    for _ in range(3600):
        path = f"{server.root}/studies?limit=1&offset={count - 1}"
        connection.request("GET", path, headers={"Accept": "application/dicom+json", **server.read_headers})
        response = connection.getresponse()
        if response.read() and response.status == 200:
            return
        time.sleep(0.5)
    raise TimeoutError(f"{server.name} does not show {count} studies")


def _empty(server: Server) -> dict[str, str]:
    return {"Content-Length": "0", **server.store_headers}


def _store(connection: http.client.HTTPConnection, server: Server, body: bytes) -> None:
    connection.request("POST", server.store, body, {"Content-Type": _STOW, **server.store_headers})
    _stored(server, connection.getresponse())


def _stored(server: Server, response: http.client.HTTPResponse) -> None:
    body = _expect(response, 200)
    server.location.update(f"/api/transfers/{found}" for found in set(_TRANSFER.findall(body.decode())))


def _pieces(instances: Iterator[Instance]) -> Iterator[bytes]:
    for one in instances:
        yield from (data.PART, one.file, b"\r\n")
    yield data.CLOSING


def read(connection: http.client.HTTPConnection, server: Server, path: str, accept: str) -> tuple[float, int]:
    """When the first byte came, and how many came in all."""
    connection.request("GET", path, headers={"Accept": accept, **server.read_headers})
    response = connection.getresponse()
    buffer, size = memoryview(bytearray(1 << 20)), 0
    if response.status not in (200, 204):  # a search may find nothing
        raise AssertionError(f"{server.name} answered {response.status} to a pull")
    size += len(response.read(1))  # by itself: to fill the buffer takes more than the first byte
    first = time.perf_counter()
    while got := response.readinto(buffer):
        size += got
    return first, size


def _expect(response: http.client.HTTPResponse, status: int) -> bytes:
    body = response.read()
    if response.status != status:
        raise AssertionError(f"answered {response.status}: {body[:200]!r}")
    return body


def _orthanc_id(server: Server, study: StudySet) -> str:
    connection = server.connect()
    query = {"Level": "Study", "Query": {"StudyInstanceUID": study.study_instance_uid}}
    connection.request("POST", "/tools/find", json.dumps(query))
    found: list[str] = json.loads(_expect(connection.getresponse(), 200))
    return found[0]


def all_at_once(works: Sequence[Callable[[], None]]) -> None:
    """Each in a thread of its own; the first error of any is raised when all have ended."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
