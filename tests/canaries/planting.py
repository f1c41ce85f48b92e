"""Unique texts through every door: headers, messages, reasons, titles, searches, mistakes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from tests import factories
from tests.canaries.needles import plant
from tests.faults import invariants, sending
from tests.faults import tree as trees
from tests.faults.sending import File
from tests.faults.tree import Tree

TIMEOUT = 60


@dataclass
class Planted:
    """What was planted: texts of patients and people, secrets, and short numbers; by what they are."""

    texts: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    transfers: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)

    def text(self, label: str) -> str:
        return self.texts.setdefault(label, plant())


class Planting:
    """The hospital that types all that."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.planted = Planted()
        self.sender, self.recipient = tree.sites["st-elsewhere"], tree.sites["general-hospital"]

    def push_to_address(self) -> None:
        file = self.image("pushed")
        answer = sending.push(self.tree.base_url, self.sender.store_key, [file])
        assert answer.status == 200
        self.planted.transfers["pushed"] = answer.transfer

    def push_what_is_refused(self) -> None:
        """A cut file, no file at all, and a header field that goes wrong."""
        cut = self.image("cut").content[:-100]
        refused = [File("", "", cut), File("", "", self.planted.text("no DICOM").encode())]
        answer = sending.push(self.tree.base_url, self.sender.store_key, refused)
        assert answer.status == 409

    def send_over_the_api(self) -> None:
        """A message, an address without an account, a document with a title; then a second patient, and a note."""
        text = self.planted.text
        created = self.post(
            "/api/transfers/",
            {
                "recipients": ["general-hospital", f"{text('e-mail address')}@elsewhere.example"],
                "message": f"Please look at {text('message')}.",
                "purpose": "second opinion",
            },
            key=self.sender.store_key,
            headers={"Idempotency-Key": text("idempotency key")},
        )
        transfer = created["id"]
        self.planted.pins["PIN"] = created["pins"][0]["pin"]
        path = f"/dicomweb/transfers/{transfer}/studies"
        files = [self.image("first patient"), self.image("second patient")]
        assert sending.push(self.tree.base_url, self.sender.store_key, files, path=path).status == 200
        self.attach(transfer)
        self.post(f"/api/transfers/{transfer}/send/", {}, key=self.sender.store_key)
        self.post(f"/api/transfers/{transfer}/finalise/", {}, key=self.sender.store_key, expect=(200, 409))
        self.wait(transfer, "held")
        self.post(f"/api/transfers/{transfer}/release/", {"note": f"It is {text('release note')}."})
        self.wait(transfer, "available")
        invariants.settle(self.tree)
        self.planted.transfers["sent"] = transfer

    def decline(self) -> None:
        file = self.image("declined")
        answer = sending.push(self.tree.base_url, self.sender.store_key, [file])
        self.wait(answer.transfer, "available")
        reason = {"reason": f"Not ours: {self.planted.text('decline reason')}."}
        self.post(f"/api/transfers/{answer.transfer}/decline/", reason, key=self.recipient.read_key)

    def search(self) -> None:
        text = self.planted.text
        for name, value in (("PatientName", text("searched name")), ("00100020", text("searched identifier"))):
            self.get(f"/dicomweb/studies?{name}={value}", key=self.recipient.read_key)
        self.get(f"/dicomweb/studies/{text('a UID that is none')}", key=self.recipient.read_key)
        asked = {"patient_id": "asked for", "issuer": "asked issuer", "accession": "asked accession"}
        email = f"{text('asked e-mail address')}@elsewhere.example"
        self.post("/api/disclosures/search/", {name: text(label) for name, label in asked.items()} | {"email": email})
        self.get(f"/api/directory/?q={text('searched place')}", key=self.sender.read_key)
        self.get(f"/api/transfers/?cursor={text('a cursor that is none')}", key=self.sender.read_key)
        self.post(
            "/api/transfers/", {text("unknown field"): text("its value")}, key=self.sender.store_key, expect=(400,)
        )

    def mistype(self) -> None:
        """Text where something else is wanted: what is refused is kept nowhere either."""
        text = self.planted.text
        draft = f"/api/transfers/{self.post('/api/transfers/', {}, key=self.sender.store_key)['id']}/"
        wrong = {"purpose": f"for {text('a purpose that is none')}"}
        self.post("/api/transfers/", wrong, key=self.sender.store_key, expect=(400,))
        tag = {"If-Match": f'"{text("a tag that is none")}"'}
        self.post(f"{draft}withdraw/", {}, headers=tag, expect=(412,))
        place = {"organization": text("an organisation that is none"), "name": "PACS", "scopes": ["read"]}
        self.post("/api/keys/", place, expect=(400,))
        place = {"department": text("a department that is none"), "name": "PACS", "scopes": ["read"]}
        self.post("/api/keys/", place, expect=(400,))
        headers = {"Authorization": f"Bearer {self.sender.manage_key}", "Content-Type": "text/plain"}
        requests.delete(
            f"{self.tree.base_url}/api/keys/{text('a key that is none')}/", headers=headers, timeout=TIMEOUT
        )
        path = f"{self.tree.base_url}{draft}documents/?study_instance_uid={text('a study that is none')}"
        refused = requests.post(path, data=b"a report", headers=headers, timeout=TIMEOUT)
        assert refused.status_code == 400, refused.text
        self.post(f"{draft}withdraw/", {})

    def type_on_pages(self) -> None:
        """What people type in a browser: whom to send to and what for, a note, a reason, and mistakes."""
        text = self.planted.text
        people = {
            user["email"]: user["password"]
            for user in json.loads(self.tree.manage("seed_demo", "--json").stdout)["users"]
        }
        sender = self.sign_in("administrator@st-elsewhere.example", people)
        created = self.post("/api/transfers/", {}, key=self.sender.store_key)["id"]
        files = [self.image("first on a page"), self.image("second on a page")]
        path = f"/dicomweb/transfers/{created}/studies"
        assert sending.push(self.tree.base_url, self.sender.store_key, files, path=path).status == 200
        self.fill(sender, created, "send", 400, partner=text("a partner that is none"), urgency="routine")
        address = f"general-hospital {text('e-mail address on a page')}@elsewhere.example"
        message = f"Compare with {text('message on a page')}."
        self.fill(sender, created, "send", 200, recipients=address, urgency="routine", message=message)
        self.wait(created, "held")
        self.fill(sender, created, "release", 303, note=f"Agreed with {text('note on a page')}.")
        self.wait(created, "available")
        self.fill(sender, created, "extend", 400, until=text("a day that is none"))
        reader = self.sign_in("administrator@general-hospital.example", people)
        self.fill(reader, created, "decline", 303, reason=f"We know {text('reason on a page')}.")

    def sign_in(self, email: str, people: Mapping[str, str]) -> requests.Session:
        session = requests.Session()
        form = {
            "login": email,
            "password": people[email],
            "csrfmiddlewaretoken": self.token(session, "/accounts/login/"),
        }
        headers = {"Referer": self.tree.base_url}
        answer = session.post(f"{self.tree.base_url}/accounts/login/", data=form, headers=headers, timeout=TIMEOUT)
        assert answer.url == f"{self.tree.base_url}/", answer.url
        return session

    def fill(self, session: requests.Session, transfer: str, name: str, expect: int, **form: str) -> None:
        path = f"/transfers/{transfer}/"
        form["csrfmiddlewaretoken"] = self.token(session, path)
        headers, url = {"Referer": self.tree.base_url}, f"{self.tree.base_url}{path}{name}/"
        answer = session.post(url, data=form, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        assert answer.status_code == expect, answer.text

    def token(self, session: requests.Session, path: str) -> str:
        page = session.get(f"{self.tree.base_url}{path}", timeout=TIMEOUT)
        hidden = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert hidden, page.text
        return hidden[1]

    def go_wrong_at_the_doors(self) -> None:
        """Wrong passwords, keys, links and addresses."""
        text, base = self.planted.text, self.tree.base_url
        with requests.Session() as session:
            form = {"login": f"{text('unknown person')}@elsewhere.example", "password": text("wrong password")}
            form["csrfmiddlewaretoken"] = self.token(session, "/accounts/login/")
            session.post(f"{base}/accounts/login/", data=form, headers={"Referer": base}, timeout=TIMEOUT)
            session.get(f"{base}/s/{text('wrong link')}/", timeout=TIMEOUT)
            session.get(f"{base}/{text('wrong address')}", timeout=TIMEOUT)
        self.get("/dicomweb/studies", key=text("wrong key"))

    def take_secrets(self) -> None:
        """What opens the doors: keys and passwords from the seed, a token, the link in the mail."""
        for site in (self.sender, self.recipient):
            for name in ("store_key", "read_key", "manage_key"):
                key = getattr(site, name)
                self.planted.secrets[f"{name} of {site.address}"] = key.rpartition("_")[2] or key
        public, _, _ = self.sender.read_key.rpartition("_")
        for client in (public, public.rpartition("_")[2]):
            token = requests.post(
                f"{self.tree.base_url}/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(client, self.sender.read_key),
                timeout=TIMEOUT,
            )
            if token.status_code == 200:
                self.planted.secrets["access token"] = token.json()["access_token"].rpartition("_")[2]
        assert "access token" in self.planted.secrets
        mails = "".join(file.read_text() for file in self.tree.mail.iterdir()).replace("=\n", "")
        links = re.findall(r"/s/([\w-]{20,})/", mails)
        assert links
        self.planted.secrets |= {f"link {number}": link for number, link in enumerate(dict.fromkeys(links))}
        guess = {"pin": self.planted.text("a number that is none")}
        requests.post(f"{self.tree.base_url}/s/{links[0]}/", data=guess, timeout=TIMEOUT)

    def image(self, label: str) -> File:
        """An image that names its patient wherever an image can."""
        study, uid = factories.make_uid(), factories.make_uid()
        text = self.planted.text
        content = factories.make_ct(
            StudyInstanceUID=study,
            SOPInstanceUID=uid,
            PatientName=f"{text(f'{label}: family name')}^{text(f'{label}: given name')}",
            PatientID=text(f"{label}: patient ID"),
            AccessionNumber=text(f"{label}: accession")[:16],
            StudyDescription=text(f"{label}: study description"),
            SeriesDescription=text(f"{label}: series description"),
            InstitutionName=text(f"{label}: institution"),
            ReferringPhysicianName=text(f"{label}: physician"),
            PatientComments=f"Called {text(f'{label}: comments')} at noon",
            pixels=text(f"{label}: pixels").encode() * 26,
            Columns=26,
            Rows=10,
        )
        self.planted.texts[f"{label}: accession"] = self.planted.texts[f"{label}: accession"][:16]
        self.planted.files[label] = File(study, uid, content)
        return self.planted.files[label]

    def attach(self, transfer: str) -> None:
        text = self.planted.text
        body = f"%PDF-1.4\n% {text('document')}\ntrailer <<>>\n%%EOF\n".encode()
        answer = requests.post(
            f"{self.tree.base_url}/api/transfers/{transfer}/documents/",
            data=body,
            headers={
                "Authorization": f"Bearer {self.sender.store_key}",
                "Content-Type": "application/pdf",
                "Document-Title": quote(f"Report on {text('document title')}"),
                "Accession-Number": text("document accession"),
                "Accession-Issuer": text("accession issuer"),
            },
            timeout=TIMEOUT,
        )
        assert answer.status_code == 201, answer.text

    def post(
        self,
        path: str,
        values: dict[str, Any],
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        expect: tuple[int, ...] = (200, 201),
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key or self.sender.manage_key}", **(headers or {})}
        answer = requests.post(f"{self.tree.base_url}{path}", json=values, headers=headers, timeout=TIMEOUT)
        assert answer.status_code in expect, answer.text
        return dict(answer.json())

    def get(self, path: str, *, key: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}", "Accept": "*/*"}
        return requests.get(f"{self.tree.base_url}{path}", headers=headers, timeout=TIMEOUT)

    def wait(self, transfer: str, state: str) -> None:
        asking = "SELECT state FROM transfers_transfer WHERE id = %s"
        trees.wait_for(lambda: self.tree.rows(asking, transfer) == [(state,)], what=f"the transfer being {state}")
