"""How a line of the log looks: JSON, or text for a terminal; lines of libraries alike. Named in settings.LOGGING.

The ids on it (request_id, job_id, upload_id, attempt) come from structlog's context, which web and workers fill.
"""

import logging
import re

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Tokens, secrets of webhooks, and addresses that work without signing in; what follows the ? of an address.
SECRETS = re.compile(
    r"pho_[\w-]{20,}|whsec_[\w+/=-]{10,}|(?<=Bearer )\S+"
    r"|(?<=/links/)[^/\s\"']{10,}|(?<=/invitation/)[^/\s\"']+|(?<=/password/reset/)[^/\s\"']+/[^/\s\"']+"
    r"|(?<=\?)[^\s\"'?]*=[^\s\"']*"
)
HIDDEN = "…"


def without_secrets(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    return {name: SECRETS.sub(HIDDEN, value) if isinstance(value, str) else value for name, value in line.items()}


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
]

structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
logging.captureWarnings(True)  # those of Python are lines like others


def formatter(kind: str) -> logging.Formatter:
    """For lines in `json`, one object each with tracebacks as one field, or in `text`."""
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if kind == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
    )
