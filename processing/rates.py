"""How often one may ask: counted in Redis, in windows that move. Without Redis nobody is limited."""

import logging
import math
import time
from collections.abc import Callable
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from processing.models import Token

log = logging.getLogger(__name__)

PATIENCE = 0.2  # seconds that a request waits for Redis
SECONDS = {"second": 1, "minute": 60, "hour": 3600}
Ask = Callable[..., bool]  # of the limiter
HIT, TEST = MovingWindowRateLimiter.hit, MovingWindowRateLimiter.test  # count it, or only look


def allowed(person: object, address: str, ask: Ask = HIT) -> tuple[bool, dict[str, str]]:
    """Is one more request allowed to this User or Token, or to the address where it is neither?

    And what is left, as draft-ietf-httpapi-ratelimit-headers has it.
    """
    found = whose(person)
    who, rates = (found, settings.API_RATE) if found else (f"address {_network(address)}", settings.STRANGER_RATE)
    items = {unit: RateLimitItemPerSecond(amount, SECONDS[unit]) for amount, unit in rates}
    counter = limiter(settings.REDIS_URL)
    try:
        is_allowed = all(ask(counter, item, who) for item in items.values())
        windows = {unit: counter.get_window_stats(item, who) for unit, item in items.items()}
    except redis.RedisError as error:
        log.warning("requests of %s are not counted: %s", who, error)
        return True, {}
    wait = {unit: max(1, math.ceil(window.reset_time - time.time())) for unit, window in windows.items()}
    headers = {
        "RateLimit-Policy": ", ".join(f'"{unit}";q={amount};w={SECONDS[unit]}' for amount, unit in rates),
        "RateLimit": ", ".join(f'"{unit}";r={window.remaining};t={wait[unit]}' for unit, window in windows.items()),
    }
    if not is_allowed:
        full = [wait[unit] for unit, window in windows.items() if not window.remaining]
        headers["Retry-After"] = str(max(full, default=1))
    return is_allowed, headers


def whose(person: object) -> str:
    """Those who are counted together; empty for nobody.

    A person is one, however many tokens they have. Their narrow tokens are another: who visits a page that shows one
    must not hold up their programs.
    """
    if isinstance(person, Token):
        return f"{'visitors of' if person.is_narrow else 'person'} {person.owner_id}"
    return f"person {person.pk}" if isinstance(person, User) else ""


def _network(address: str) -> str:
    """An IPv6 address stands for its /64: whoever has one has all of them."""
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket
        return address
    return str(ip_network((found, 64), strict=False) if isinstance(found, IPv6Address) else found)


@cache
def limiter(url: str) -> MovingWindowRateLimiter:
    once: Any = Retry(NoBackoff(), 0)
    quick = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": once}
    return MovingWindowRateLimiter(RedisStorage(url, key_prefix="photoproc:rate", **quick))
