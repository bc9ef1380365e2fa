"""All settings in one file. Each reader fails loudly on a value that cannot be; docs/settings.md lists them."""

import hashlib
import os
import re
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from dotenv import load_dotenv
from environs import Env

from photoproc import secret_key
from photoproc.addresses import database_address, redis_address, storage_address

ROOT = Path(__file__).resolve().parent.parent
LONGEST_SOCKET = 107  # bytes: the address of a Unix socket holds no more

CENTURY = 36_500  # days; dates that lie further ahead or back are none


class _Env(Env):
    def number(self, name: str, default: int, least: int = 1, most: int = 10**9) -> int:
        value = self.int(name, default)
        if not least <= value <= most:
            raise ValueError(f"{name} must be a number from {least} to {most}, not {value}.")
        return value


load_dotenv(ROOT / ".env")  # into the environment, as libraries, scripts and child processes read it too
env = _Env()


def _socket(folder: Path) -> Path:
    """In the data folder; in one of our own under the temporary folder where the path would be too long."""
    place = folder / "redis.sock"
    if len(os.fsencode(place)) <= LONGEST_SOCKET:
        return place
    name = f"photoproc-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    short = Path(tempfile.gettempdir()) / name
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise OSError(f"{short} belongs to somebody else: set PHOTO_DATA_DIR to a folder with a shorter path.")
    return short / "redis.sock"


def _hosts(text: str) -> frozenset[tuple[str, int]]:
    """`localhost:8001 [::1]:80` as pairs of host and port."""
    found = {(parts.hostname or "", parts.port or 0) for parts in map(urlsplit, (f"//{one}" for one in text.split()))}
    if not all(host and port for host, port in found):
        raise ValueError(f"PHOTO_FETCH_ALLOW is hosts with their ports, such as localhost:8001, not {text!r}.")
    return frozenset(found)


def _rates(text: str) -> list[tuple[int, str]]:
    """`50/second;1200/minute` as pairs of a number and a unit."""
    found = [re.fullmatch("([1-9][0-9]{0,8})/(second|minute|hour)", one.strip()) for one in text.split(";")]
    if not all(found):
        raise ValueError(f"A rate is numbers of requests such as 50/second;1200/minute, not {text!r}.")
    return [(int(one[1]), one[2]) for one in found if one]


DATA_DIR = Path(env.str("PHOTO_DATA_DIR", "") or ROOT / "var").expanduser().resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
os.environ["PHOTO_DATA_DIR"] = str(DATA_DIR)  # for what reads no settings: what was measured is remembered there
FILES_DIR = DATA_DIR / "files"
TMP_DIR = DATA_DIR / "tmp"
TMP_DIR.mkdir(exist_ok=True)

SECRET_KEY = env.str("SECRET_KEY", "") or secret_key.of(
    DATA_DIR / secret_key.NAME, shared=env.str("DATABASE_URL", "").startswith("postgres")
)
DEBUG = env.bool("DEBUG", False)
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# ---- where it is served --------------------------------------------------------------------------------------------
HOST = env.str("HOST", "127.0.0.1")
EVERYWHERE = HOST in ("0.0.0.0", "::")  # noqa: S104
PORT = env.number("PORT", 8000, most=65535)
_host = "127.0.0.1" if EVERYWHERE else f"[{HOST}]" if ":" in HOST else HOST
URL = env.str("PHOTO_URL", f"http://{_host}:{PORT}").rstrip("/")
_url = urlsplit(URL)
if _url.scheme not in ("http", "https") or not _url.hostname:
    raise ValueError(f"PHOTO_URL must be a whole address such as https://photos.example.com, not {URL!r}.")
HTTPS = _url.scheme == "https"
# A house that listens to the other machines of the shop is reached by names we cannot know.
ALLOWED_HOSTS = (
    ["*"]
    if EVERYWHERE and "PHOTO_URL" not in os.environ
    else sorted({_url.hostname, "localhost", "127.0.0.1", "[::1]"})
)
CSRF_TRUSTED_ORIGINS = [f"{_url.scheme}://{_url.netloc}"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 86400 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 14 * 86400
SESSION_ENGINE = "processing.sessions"
CSRF_FAILURE_VIEW = "processing.web.errors.csrf_failure"

# ---- the application -----------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",  # only for `runserver`
    "processing.apps.ProcessingConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_rq",
    "axes",
    "corsheaders",
    "csp",
    "ninja",  # for the files of its documentation page
]
MIDDLEWARE = [
    "processing.web.requests.Requests",
    "django.middleware.security.SecurityMiddleware",
    "processing.web.devices.none",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "processing.api.rates.Told",
    "processing.api.problems.Problems",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "processing.web.accounts.SignInFirst",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "photoproc.urls"
ASGI_APPLICATION = "photoproc.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["processing.web.templatetags.show"],
        },
    }
]

# ---- people --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "new-job"
LOGOUT_REDIRECT_URL = "login"
OPEN_SIGN_UP = env.bool("PHOTO_OPEN_SIGN_UP", False)
INVITATION_DAYS = env.number("PHOTO_INVITATION_DAYS", 7, most=CENTURY)
AXES_FAILURE_LIMIT = env.number("PHOTO_SIGN_IN_TRIES", 20)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]  # either locks
AXES_LOCKOUT_CALLABLE = "processing.web.accounts.locked_out"
AXES_VERBOSE = False
EMAIL_CONFIG = env.dj_email_url("EMAIL_URL", "")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("PHOTO_FROM_EMAIL", f"photoproc@{_url.hostname}")
CAN_SEND_MAIL = "EMAIL_URL" in os.environ

# ---- what may come in ----------------------------------------------------------------------------------------------
MB = 1_000_000
MAX_FILE_BYTES = env.number("PHOTO_MAX_FILE_MB", 10) * MB
MIN_SIDE = env.number("PHOTO_MIN_SIDE", 50)
MAX_SIDE = env.number("PHOTO_MAX_SIDE", 4096)
MAX_FILES = env.number("PHOTO_MAX_FILES", 100)
MAX_BODY_BYTES = env.number("PHOTO_MAX_BODY_MB", 1100) * MB
MAX_ARCHIVE_BYTES = env.number("PHOTO_MAX_ARCHIVE_MB", 10_000) * MB
MAX_ARCHIVE_ENTRIES = env.number("PHOTO_MAX_ARCHIVE_ENTRIES", 10_000)
MAX_CSV_BYTES = env.number("PHOTO_MAX_CSV_MB", 20) * MB
MAX_CSV_ROWS = env.number("PHOTO_MAX_CSV_ROWS", 10_000)
MAX_CSV_PHOTOS = env.number("PHOTO_MAX_CSV_PHOTOS", 50_000)
FREE_SPACE_FLOOR = env.number("PHOTO_FREE_SPACE_FLOOR_MB", 500, least=0) * MB
DATA_UPLOAD_MAX_NUMBER_FILES = 10 * MAX_FILES  # past MAX_FILES ours refuses, file by file
DATA_UPLOAD_MAX_NUMBER_FIELDS = 11_000  # a selection of 10,000 photos
DATA_UPLOAD_MAX_MEMORY_SIZE = max(10 * MB, 2 * MAX_FILE_BYTES)  # a photo may come as base64 in a field
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "processing.intake.arriving.Handler",
]
FILE_UPLOAD_PERMISSIONS = None

# ---- programs -----------------------------------------------------------------------------------------------------
API_RATE = _rates(env.str("PHOTO_API_RATE", "50/second;1200/minute"))  # requests of one token or person
STRANGER_RATE = _rates(env.str("PHOTO_STRANGER_RATE", "20/second;120/minute"))  # of one address that nobody vouches for
# Pages of others that may call the API from a browser, with a token; `null` is a file opened from a disk.
CORS_ALLOWED_ORIGINS = env.str("PHOTO_ORIGINS", "").split()
CORS_URLS_REGEX = r"^/(api|v1\.0)/"
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key", "x-api-key"]
CORS_EXPOSE_HEADERS = [
    "content-disposition", "location", "ratelimit", "ratelimit-policy", "retry-after", "x-height", "x-model",
    "x-processing-time", "x-request-id", "x-width",
]  # fmt: skip
# So long the secret before still signs too.
HOOK_SECRET_HOURS = env.number("PHOTO_HOOK_SECRET_HOURS", 24, least=0, most=24 * CENTURY)
HOOK_LOG_DAYS = env.number("PHOTO_HOOK_LOG_DAYS", 30, most=CENTURY)

# ---- the work ------------------------------------------------------------------------------------------------------
CORES = os.cpu_count() or 1
WORKERS = env.number("PHOTO_WORKERS", 0, least=0)  # 0: as many as were best here when it was tried
ENGINES = ("processor", "openvino", "openvino-bf16", "cuda")
# The pipeline reads it from the environment; empty: what is fastest here.
if (_engine := env.str("PHOTO_ACCELERATOR", "")) and _engine not in ENGINES:
    raise ValueError(f"PHOTO_ACCELERATOR must be one of {', '.join(ENGINES)}, not {_engine!r}.")
SPARE_WORKERS = env.number("PHOTO_SPARE_WORKERS", 1, least=0)  # beyond them, for photos that people wait for
IO_WORKERS = env.number("PHOTO_IO_WORKERS", 3)
ATTEMPTS = env.number("PHOTO_ATTEMPTS", 3)
RETRY_DELAY = env.number("PHOTO_RETRY_DELAY", 60, least=0)  # seconds, the base of the exponential back-off
SOFT_TIME_LIMIT = env.number("PHOTO_SOFT_TIME_LIMIT", 240)
HARD_TIME_LIMIT = env.number("PHOTO_HARD_TIME_LIMIT", 300)
LEASE = env.number("PHOTO_LEASE", 20)  # seconds a claim holds without a sign of life
HEARTBEAT = env.number("PHOTO_HEARTBEAT", 5)
PHOTOS_PER_WORKER = env.number("PHOTO_PHOTOS_PER_WORKER", 50)  # then the worker process is replaced
WORKER_MEMORY = env.number("PHOTO_WORKER_MEMORY_MB", 2000) * MB
OPEN_JOB_MINUTES = 10  # an open job closes by itself so long after its last file
UNDO_MINUTES = 10  # a deleted job can be brought back so long

MOST_WORKERS = 8  # that an operator may set while the house runs
BREAKER_FAILURES = env.number("PHOTO_BREAKER_FAILURES", 5)  # in a row, within the window, open a breaker
BREAKER_WINDOW = env.number("PHOTO_BREAKER_WINDOW", 3600)  # seconds
BREAKER_PAUSE = env.number("PHOTO_BREAKER_PAUSE", 60)  # seconds until one is let through to see
# That a photo waits for a host or a model.
BREAKER_HOURS = env.number("PHOTO_BREAKER_HOURS", 24, least=0, most=24 * CENTURY)

# ---- what is kept, and how much a person may send (0: for ever, no limit) --------------------------------------------
KEEP_ORIGINALS_DAYS = env.number("PHOTO_KEEP_ORIGINALS_DAYS", 0, least=0, most=CENTURY)
KEEP_RESULTS_DAYS = env.number("PHOTO_KEEP_RESULTS_DAYS", 0, least=0, most=CENTURY)
KEEP_JOBS_DAYS = env.number("PHOTO_KEEP_JOBS_DAYS", 0, least=0, most=CENTURY)
KEEP_BYTES = env.number("PHOTO_KEEP_GB", 0, least=0) * 1000 * MB  # of files; the oldest jobs go first
PHOTOS_A_DAY = env.number("PHOTO_PHOTOS_A_DAY", 0, least=0)
STORED_BYTES = env.number("PHOTO_STORED_MB", 0, least=0) * MB
PHOTOS_IN_FLIGHT = env.number("PHOTO_PHOTOS_IN_FLIGHT", 0, least=0)

# ---- fetching photos from addresses, and what goes out -------------------------------------------------------------
FETCH_ALLOW = _hosts(env.str("PHOTO_FETCH_ALLOW", ""))  # (host, port) pairs that need not be public
FETCHES = env.number("PHOTO_FETCHES", 16)  # at once
FETCHES_PER_HOST = env.number("PHOTO_FETCHES_PER_HOST", 4)
FETCH_SECONDS = env.number("PHOTO_FETCH_SECONDS", 30)  # for one photo, redirects and all
LINK_DAYS = env.number("PHOTO_LINK_DAYS", 0, least=0, most=CENTURY)  # 0: output links do not expire

# ---- database, Redis, queue, live ----------------------------------------------------------------------------------
DATABASES = {"default": database_address(env.str("DATABASE_URL", "") or f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Django's defaults fail 40% of read-then-write updates under four workers; these fail none.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    # A machine or a cable that is gone is noticed within 15 s. Each request opens a connection of its own: that takes
    # 5 ms beside the 50 ms of a job's page, and one to a server that hangs fails in time. A pool would hand out those
    # that hang, and must not cross the fork of the workers.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,  # ms that what was sent may stay unanswered by the other machine
        # Compiling a query (jit) takes longer than all of ours: three fourths of a large turn. The server too is to
        # notice: what a machine without power had locked would stay so for two hours.
        "options": "-c jit=off -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
        " -c tcp_user_timeout=15000",
        **DATABASES["default"].get("OPTIONS", {}),  # those of the address
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_SOCKET = _socket(DATA_DIR)  # of our own Redis, where none is named
REDIS_URL = redis_address(env.str("REDIS_URL", "") or f"unix://{REDIS_SOCKET}")
# A cable that is cut is noticed; a worker that waits for a nudge asks anew each second, well below the timeout.
_PATIENT = redis_address(REDIS_URL, socket_timeout="10", socket_connect_timeout="5", health_check_interval="15")
RQ_QUEUES = {
    name: {"URL": _PATIENT, "SERIALIZER": "rq.serializers.JSONSerializer", "DEFAULT_TIMEOUT": -1}
    for name in ("soon", "photos", "io")
}
RQ_SHOW_ADMIN_LINK = False  # ours shows it, to superusers
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [_PATIENT]}}
}

# ---- files ---------------------------------------------------------------------------------------------------------
# The bucket's library reads AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY by itself.
S3_BUCKET_NAME = env.str("S3_BUCKET_NAME", "")
AWS_REGION = env.str("AWS_REGION", "")
_place = env.str("STORAGE_URL", "") or (S3_BUCKET_NAME and f"s3://{S3_BUCKET_NAME}")  # no setting: it has the key in it
STORAGE = storage_address(_place, AWS_REGION) if _place else None  # None: in FILES_DIR
# A folder of the bucket, below that of STORAGE_URL: what lies there, everybody may use as `s3_keys`. Empty: none.
IMPORT_PREFIX = env.str("PHOTO_IMPORT_PREFIX", "")
# Then what was sent into the bucket and nobody used is removed; not before the address ends by which it is sent.
INCOMING_HOURS = max(
    env.number("PHOTO_INCOMING_HOURS", 24, most=24 * CENTURY), -(-STORAGE.minutes // 60) + 1 if STORAGE else 0
)

# ---- pages ---------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
BUCKET = [STORAGE.origin] if STORAGE and STORAGE.origin else []  # photos come from it, and are sent into it
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:", *BUCKET],
        "font-src": [SELF],
        "connect-src": [SELF, *BUCKET],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env.str("TZ", "") or "UTC"

# ---- logs ----------------------------------------------------------------------------------------------------------
LOG_FORMAT = env.str("PHOTO_LOG_FORMAT", "json")
if LOG_FORMAT not in ("json", "text"):
    raise ValueError(f"PHOTO_LOG_FORMAT is json or text, not {LOG_FORMAT!r}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "photoproc.logs.formatter", "kind": LOG_FORMAT}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        **{name: {"level": "WARNING"} for name in ("rq", "axes", "httpx", "asyncio", "numba")},
        "botocore": {"level": "INFO"},  # below that it says what it signs, and how
        "channels_redis": {
            "level": "CRITICAL"
        },  # a trace for each socket and second that Redis is away; `queue` says it
        "django": {},  # propagates: without Django's own handlers
        "django.request": {"level": "CRITICAL"},  # `web.requests` says it once
        "uvicorn": {"level": "INFO", "propagate": True},  # in our shape, not in its own
        "uvicorn.access": {"propagate": False},  # as above
    },
}
