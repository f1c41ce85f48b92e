"""Mail as files, one a message, in a folder that only we may enter: links and addresses stand in it."""

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from exchange import refusals


class Folder(BaseEmailBackend):
    """The backend for `file:///dir`; a message appears under its name when it is whole (RFC 5322, `.eml`)."""

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:  # Any: options of other backends
        super().__init__(fail_silently=fail_silently)
        self._folder = Path(settings.EMAIL_FILE_PATH)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = refusals.make_private(self._folder)
        for message in email_messages:
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"
            partial = folder / f"{name}.partial"
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(message.message().as_bytes())
            partial.rename(folder / f"{name}.eml")
        return len(email_messages)
