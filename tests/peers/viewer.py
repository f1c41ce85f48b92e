"""OHIF, as its package from npm is built, served from an origin of its own or from the same as the exchange.

Its configuration is a function, as its documentation describes ("Configuration Files"): so it can hand the key to
the userAuthenticationService before the first request is made. A deployment would have it from a sign-in.
"""

import http.client
import http.server
import json
import mimetypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PACKAGE: Final = "@ohif/app@3.13.2"
_CONFIG: Final = """
window.config = ({ servicesManager }) => ({
  routerBasename: null,
  showStudyList: true,
  extensions: [],
  modes: [],
  defaultDataSourceName: 'waystation',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'waystation',
    configuration: {
      friendlyName: 'Waystation',
      name: 'waystation',
      qidoRoot: ROOT, wadoRoot: ROOT, wadoUriRoot: ROOT.replace(/dicomweb$/, 'wado'),
      qidoSupportsIncludeField: true,
      supportsFuzzyMatching: false,
      supportsWildcard: true,
      imageRendering: 'wadors',
      thumbnailRendering: 'thumbnail',
      thumbnailRequestStrategy: 'fetch',
      enableStudyLazyLoad: true,
      singlepart: 'bulkdata,video,pdf',
      bulkDataURI: { enabled: true },
      omitQuotationForMultipartRequest: true,
      onConfiguration: configuration => {
        const key = KEY;
        if (key) {
          servicesManager.services.userAuthenticationService.setServiceImplementation({
            getAuthorizationHeader: () => ({ Authorization: 'Bearer ' + key }),
          });
        }
        return configuration;
      },
    },
  }],
});
"""
_HANDED_ON: Final = ("Accept", "Authorization", "Range", "Content-Type")
_HANDED_BACK: Final = ("Content-Type", "Content-Length", "Warning", "ETag", "Content-Range")


def built(folder: Path) -> Path:
    """The built page: in the folder that NODE_PACKAGES names, else fetched. What it was built of is not needed."""
    made = Path(os.environ.get("NODE_PACKAGES", "")) / "ohif"
    if "NODE_PACKAGES" not in os.environ or not made.is_dir():
        made = folder
        command = ["npm", "pack", "--silent", PACKAGE]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=True)
        subprocess.run(["tar", "xzf", packed.stdout.split()[-1]], cwd=folder, check=True)
    return made / "package" / "dist"


@contextmanager
def served(dist: Path, exchange: str, *, key: str, same_origin: bool) -> Iterator[str]:
    """The address of a viewer of the exchange; on the same origin what it asks for passes through this server.

    Without a key it has to be told one in its address (`?token=`).
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.daemon_threads = True
    address = f"http://127.0.0.1:{server.server_port}"
    root = f"{address if same_origin else exchange}/dicomweb"
    config = _CONFIG.replace("ROOT", json.dumps(root)).replace("KEY", json.dumps(key)).encode()
    server.RequestHandlerClass = partial(_Handler, dist.resolve(), exchange, config)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Files of the viewer, its one page for every other path, and what lies below /dicomweb from the exchange."""

    protocol_version = "HTTP/1.1"

    def __init__(self, dist: Path, exchange: str, config: bytes, *rest: Any) -> None:  # Any: what the server gives
        self._dist, self._exchange, self._config = dist, exchange, config
        super().__init__(*rest)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(("/dicomweb/", "/wado")):
            self._pass_on()
        elif path == "/app-config.js":
            self._answer(200, {"Content-Type": "text/javascript"}, self._config)
        else:
            file = (self._dist / path.lstrip("/")).resolve()
            file = file if file.is_file() and file.is_relative_to(self._dist) else self._dist / "index.html"
            media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            self._answer(200, {"Content-Type": media_type}, file.read_bytes())

    def _pass_on(self) -> None:
        exchange = urlsplit(self._exchange)
        connection = http.client.HTTPConnection(exchange.hostname or "", exchange.port, timeout=60)
        headers = {name: self.headers[name] for name in _HANDED_ON if name in self.headers}
        connection.request("GET", self.path, headers=headers)
        answer = connection.getresponse()
        handed_back = {name: value for name in _HANDED_BACK if (value := answer.getheader(name))}
        self._answer(answer.status, handed_back, answer.read())
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
