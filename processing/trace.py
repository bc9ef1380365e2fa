"""Which request a line of the log, a job or an answer is about."""

import structlog


def number() -> str:
    """The number of the request that is being answered here (`web.requests` gives it); empty where there is none."""
    found: str = structlog.contextvars.get_contextvars().get("request_id", "")
    return found
