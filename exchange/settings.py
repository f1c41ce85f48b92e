"""Settings come from the environment alone; each has a default that works after checkout."""

from datetime import timedelta
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

# Everything that must survive a restart lies here when no other place is named.
DATA_DIR = Path(env.str("EXCHANGE_DATA_DIR", default=str(BASE_DIR / "data")))
DEBUG = env.bool("EXCHANGE_DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="only-for-development-set-SECRET_KEY-in-production-0123456789")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

EXCHANGE_PORT = env.int("EXCHANGE_PORT", default=8000)
# The one base of every URL we write into answers, mails and pages.
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://localhost:{EXCHANGE_PORT}").rstrip("/")

INSTALLED_APPS = [
    "accounts",
    "transfers",
    "exchange",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
]
MIDDLEWARE: list[str] = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "exchange.urls"
WSGI_APPLICATION = "exchange.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres://exchange@localhost/exchange")}
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="")
STORAGE_URL = env.str("STORAGE_URL", default=(DATA_DIR / "packs").as_uri())
EXCHANGE_KEYS = env.str("EXCHANGE_KEYS", default=(DATA_DIR / "keys").as_uri())

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"

# The shortest life a sender may give a transfer; a demo shortens it to show an expiry.
EXCHANGE_MIN_LIFETIME = timedelta(seconds=env.int("EXCHANGE_MIN_LIFETIME", default=3600))

# What accounts must reach above itself goes by dotted path: keys live in transfers.
PEPPER_PROVIDER = "transfers.keys.pepper"
