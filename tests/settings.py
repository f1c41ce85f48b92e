"""The product's settings, with data in a temporary folder and cheap passwords."""

import os
import tempfile

# Workers of pytest-xdist inherit the folder, and with it one database server and one broker.
if "EXCHANGE_TEST_DATA" not in os.environ:
    os.environ["EXCHANGE_TEST_DATA"] = tempfile.mkdtemp(prefix="exchange-test-")
os.environ["EXCHANGE_DATA_DIR"] = os.environ["EXCHANGE_TEST_DATA"]
os.environ["XDG_RUNTIME_DIR"] = os.environ["EXCHANGE_TEST_DATA"]  # sockets of long paths go with the session

from exchange import embedded
from exchange.settings import *  # noqa: F403
from exchange.settings import DATA_DIR, DATABASES, IS_DATABASE_EMBEDDED

if IS_DATABASE_EMBEDDED:
    # The password is made here, before the server: every process reads its settings first.
    embedded.Postgres(DATA_DIR).make_password()
    DATABASES["default"].update(embedded.Postgres(DATA_DIR).settings)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["*"]
