"""The product's settings, with data in a temporary folder and cheap passwords."""

import os
import tempfile

# Workers of pytest-xdist inherit the folder, and with it one database server and one broker.
os.environ.setdefault("EXCHANGE_TEST_DATA", tempfile.mkdtemp(prefix="exchange-test-"))
os.environ["EXCHANGE_DATA_DIR"] = os.environ["EXCHANGE_TEST_DATA"]

from exchange import embedded
from exchange.settings import *  # noqa: F403
from exchange.settings import DATA_DIR, DATABASES, IS_DATABASE_EMBEDDED

if IS_DATABASE_EMBEDDED:
    # The password is made here, before the server: every process reads its settings first.
    embedded.Postgres(DATA_DIR).make_password()
    DATABASES["default"].update(embedded.Postgres(DATA_DIR).settings)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["*"]
