"""Settings come from the environment alone; each has a default that works after checkout."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from exchange import embedded, mail
from exchange.environment import Environment
from exchange.logs import LOGGING as LOGGING  # a setting like any other

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# Everything that must survive a restart lies here when no other place is named.
DATA_DIR = Path(env.str("EXCHANGE_DATA_DIR", default=str(BASE_DIR / "data"))).absolute()
DEBUG = env.bool("EXCHANGE_DEBUG", default=False)
# `manage.py up` makes a random one in the data folder; the constant serves commands before the first start.
DEVELOPMENT_SECRET_KEY = "only-for-development-set-SECRET_KEY-in-production-0123456789"  # noqa: S105
SECRET_KEY = env.str("SECRET_KEY", default=embedded.secret_key(DATA_DIR) or DEVELOPMENT_SECRET_KEY)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

EXCHANGE_HOST = env.str("EXCHANGE_HOST", default="127.0.0.1")
EXCHANGE_PORT = env.port("EXCHANGE_PORT", default=8000)
EXCHANGE_DIMSE_PORT = env.port("EXCHANGE_DIMSE_PORT", default=11112)
# The one base of every URL we write into answers, mails and pages.
PUBLIC_URL = env.base_url("PUBLIC_URL", default=f"http://localhost:{EXCHANGE_PORT}")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or "localhost"
ALLOWED_HOSTS = [PUBLIC_HOST, *env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])]
# Behind TLS everything insists on it; the proxy says so in X-Forwarded-Proto and must overwrite what clients send.
IS_HTTPS = PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 86400 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"

INSTALLED_APPS = [
    "accounts",
    "transfers",
    "exchange.apps.ExchangeConfig",
    "exchange.apps.OperationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE: list[str] = [
    "exchange.logs.AccessLog",
    "django.middleware.security.SecurityMiddleware",
    "exchange.policy.ContentSecurityPolicy",
    "exchange.wellformed.WellFormed",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "exchange.maintenance.Maintenance",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "exchange.slashes.Slashes",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "exchange.sessions.LongestSession",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
# Pages are our own HTML, styles and pictures; exchange/policy.py names the few that need scripts.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
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
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ["email", "name"]}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
    )
]
CSRF_FAILURE_VIEW = "exchange.fallbacks.csrf_failure"
LOGIN_URL, LOGIN_REDIRECT_URL = "account_login", "portal:inbox"
ACCOUNT_ADAPTER = "exchange.portal.signing_in.Adapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an administrator vouches for the address
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody who has no account gets mail because somebody typed an address
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login_failed": "5/15m/key,50/h/ip"}
# A session ends after a quarter of an hour without a request, and with the browser.
SESSION_COOKIE_AGE = env.int("EXCHANGE_SESSION_SECONDS", default=15 * 60)
SESSION_SAVE_EVERY_REQUEST = True
# However busy it is, it ends after a shift.
EXCHANGE_SESSION_LONGEST_SECONDS = env.int("EXCHANGE_SESSION_LONGEST_SECONDS", default=12 * 3600)
# How many links one network address may look up in a minute.
EXCHANGE_LINK_RATE = env.int("EXCHANGE_LINK_RATE", default=30)
# How many wrong keys and tokens one network may send in a minute before it is told to wait.
EXCHANGE_FAILED_CREDENTIALS = env.int("EXCHANGE_FAILED_CREDENTIALS", default=30)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Without an address: the database and broker that `manage.py up` starts in the data folder.
IS_DATABASE_EMBEDDED = not (env.str("DATABASE_URL", default="") or env.str("DATABASE_URL_FILE", default=""))
DATABASES = {"default": embedded.Postgres(DATA_DIR).settings if IS_DATABASE_EMBEDDED else env.db_url("DATABASE_URL")}
# Web processes have many threads and share a few connections, which stay warm; others keep their own.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=0)
DATABASES["default"] |= {
    "CONN_MAX_AGE": 0 if DATABASE_POOL_SIZE else None,
    "CONN_HEALTH_CHECKS": not DATABASE_POOL_SIZE,
}
# Without a number the driver prepares nothing, not even what accounts/statements.py asks for; Django's own cursors
# never prepare. A host that vanishes without a word is noticed within a minute, not after the two hours of TCP.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
DATABASES["default"]["OPTIONS"] = {"prepare_threshold": 5, **_PATIENCE, **DATABASES["default"].get("OPTIONS", {})}
# A request whose statement takes longer is told to come again; jobs and commands have all the time they need.
DATABASE_STATEMENT_SECONDS = env.int("DATABASE_STATEMENT_SECONDS", default=15)
if DATABASE_POOL_SIZE:
    _POOL = {"min_size": 2, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
    DATABASES["default"]["OPTIONS"] |= {"pool": _POOL}
    if DATABASE_STATEMENT_SECONDS:
        DATABASES["default"]["OPTIONS"].setdefault("options", f"-c statement_timeout={DATABASE_STATEMENT_SECONDS}s")
IS_BROKER_EMBEDDED = not (env.str("CELERY_BROKER_URL", default="") or env.str("CELERY_BROKER_URL_FILE", default=""))
CELERY_BROKER_URL = embedded.Valkey(DATA_DIR).url if IS_BROKER_EMBEDDED else env.str("CELERY_BROKER_URL")
STORAGE_URL = env.str("STORAGE_URL", default=(DATA_DIR / "packs").as_uri())
EXCHANGE_KEYS = env.str("EXCHANGE_KEYS", default=(DATA_DIR / "keys").as_uri())
# 32 bytes as hex or base64 that seal every key file: a copy of the folder alone opens nothing.
EXCHANGE_ROOT_KEY = env.str("EXCHANGE_ROOT_KEY", default="").strip()

# file:///dir writes one file a mail; smtp://, smtp+tls:// (STARTTLS), smtps://, console:
_MAIL = mail.transport(env.str("EMAIL_URL", default=(DATA_DIR / "mail").as_uri()))
EMAIL_BACKEND, EMAIL_FILE_PATH = _MAIL.backend, _MAIL.folder
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.starts_tls, _MAIL.is_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default=f"waystation@{PUBLIC_HOST}")
# Who is told when the exchange itself needs a person: a braked purge, a full quota.
OPERATOR_EMAIL = env.str("OPERATOR_EMAIL", default="")
# How often what is quiet, lapsed or due for purging is looked for; access closes by the clock, not by this.
EXCHANGE_SWEEP_SECONDS = env.int("EXCHANGE_SWEEP_SECONDS", default=5)

LOGGING_CONFIG = "exchange.logs.configure"
# Whoever scrapes /metrics from another machine sends this as a bearer token.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["exchange.formats"]
STATIC_URL = "static/"
# Found in the packages at start, never collected: a start writes nothing outside the data folder.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# The shortest life a sender may give a transfer; a demo shortens it to show an expiry.
EXCHANGE_MIN_LIFETIME = timedelta(seconds=env.int("EXCHANGE_MIN_LIFETIME", default=3600))

# tcp://host:port or unix:///path of a clamd that looks at every object; none, and transfers say "unscanned".
# Its StreamMaxLength must be at least the longest object: what it cannot answer for does not pass.
CLAMD_URL = env.str("CLAMD_URL", default="")

# Less than this free, and a start is refused: PostgreSQL panics on a full disk.
EXCHANGE_LEAVE_FREE_MB = env.int("EXCHANGE_LEAVE_FREE_MB", default=200)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["exchange.api.authentication.Caller"],
    "DEFAULT_PERMISSION_CLASSES": ["exchange.api.authentication.IsCaller"],
    "DEFAULT_THROTTLE_CLASSES": ["exchange.api.authentication.CallerThrottle"],
    "DEFAULT_THROTTLE_RATES": {"caller": env.str("EXCHANGE_API_RATE", default="1200/min")},
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["exchange.api.bodies.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "exchange.api.failures.answer",
    # `?format=zip` names an archive; an answer's media type is a matter of Accept alone.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Waystation",
    "DESCRIPTION": "Send DICOM studies, follow them, and receive them. Images go over DICOMweb.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# What others must reach without importing it goes by dotted path: keys live in transfers.
KEYS_FINGERPRINT = "transfers.keys.fingerprint"
KEYS_CHECK = "transfers.keys.check_keys"
STORAGE_PROBE = "transfers.vault.probe"
PEPPER_PROVIDER = "transfers.keys.pepper"
LINKS_CLOSER = "transfers.access.pulling.close_links_of"
AUDIT_SEED_PROVIDER = "transfers.keys.audit_seed"
AUDIT_CHECKPOINTS = "transfers.keys.AuditCheckpoints"
