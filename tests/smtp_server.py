"""A real SMTP server on a free port, told beforehand how it answers."""

import asyncio
import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Mailbox:
    """What arrived, and the answers still to be given before mail is taken: one a message, then 250.

    `at_rcpt` and `at_data` hold replies such as "550 no such user"; "drop" at DATA takes the mail and cuts the
    connection instead of saying so.
    """

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    at_rcpt: list[str] = field(default_factory=list)
    at_data: list[str] = field(default_factory=list)

    @property
    def only(self) -> EmailMessage:
        assert len(self.messages) == 1
        return self.messages[0]


class _Handler:
    """What aiosmtpd asks; it looks at every member of a handler, so the mailbox itself cannot be one."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[Any],  # Any: aiosmtpd's
    ) -> str:
        if self._mailbox.at_rcpt:
            return self._mailbox.at_rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._mailbox.at_data.pop(0) if self._mailbox.at_data else "250 OK"
        if answer.startswith("250") or answer == "drop":
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self._mailbox.messages.append(message)
            self._mailbox.readers += envelope.rcpt_tos
        if answer == "drop":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return answer


class _OnFreePort(Controller):
    """Learns the port it got before it tries itself out."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def serve() -> Iterator[Mailbox]:
    """Serve until the block ends."""
    mailbox = Mailbox()
    controller = _OnFreePort(_Handler(mailbox), hostname="127.0.0.1", port=0)
    controller.start()
    try:
        mailbox.port = controller.port
        yield mailbox
    finally:
        controller.stop()


def body(message: EmailMessage, kind: str = "plain") -> str:
    """One of the two bodies of a mail, as its reader sees it."""
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())
