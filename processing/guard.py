"""Which addresses this server may reach, for photos, callbacks and storage alike. Nothing else judges one.

`check` judges what is written, without asking the DNS. What a name leads to is judged by `GuardedTransport` at each
request, and the connection goes to the very address that was judged.
"""

import asyncio
import difflib
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

import httpx
import idna

from processing.errors import PhotoError

Allow = frozenset[tuple[str, int]]  # pairs of host and port that need not be public
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # a host and a port to IP addresses; raises OSError

LONGEST = 2000  # characters of an address
LONGEST_HOST = 253
SCHEMES = {"http": 80, "https": 443}
# Spaces, and what cannot be seen.
HIDDEN = "".join(
    chr(number)
    for first, last in (
        (0, 0x20), (0x7F, 0xA0), (0x1680, 0x1680), (0x2000, 0x200B), (0x200E, 0x200F), (0x2028, 0x202F),
        (0x205F, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
    )
    for number in range(first, last + 1)
)  # fmt: skip
NOT_WRITTEN = re.compile(f"[{re.escape(HIDDEN)}\ud800-\udfff]")
ON_A_DISK = re.compile(r"[a-z]:[\\/]|\\\\", re.IGNORECASE)
PARTS = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
PLACE = re.compile(r"(.*?)(?::([^:\]]*))?", re.DOTALL)
NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z][a-z0-9_-]{0,62}")
LOCAL = ("localhost", "local", "internal")  # what such names end in; so do names without a dot

# What IANA's registries of special-purpose addresses, multicast and the providers of machines keep from the public.
# https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry
CLOSED_4 = [
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "168.63.129.16/32",  # Azure tells its machines their secrets there
    )
]  # fmt: skip
OPEN_6 = ip_network("2000::/3")  # all that was ever given to the public; Teredo, 6to4 and documentation lie in it
CLOSED_6 = [ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
NAT64 = ip_network("64:ff9b::/96")


class Address(NamedTuple):
    """An address that may be asked for: as it goes out, its host in one spelling, its port."""

    url: str
    host: str
    port: int


def check(address: str, allow: Allow) -> Address:
    """Judge what is written, without the DNS. Raises PhotoError: `invalid_image_url`, `fetch_blocked_address`."""
    text = address.strip(HIDDEN)
    if not text:
        raise _invalid("There is no address")
    if len(text) > LONGEST:
        raise _too_long()
    if ON_A_DISK.match(text):
        raise _invalid("This is a file on a computer, not an address")
    if NOT_WRITTEN.search(text):
        raise _invalid("There is a space or an invisible character in the address")
    if "\\" in text:
        raise _invalid("There is a \\ in the address, where a / belongs")
    found = _judge(text, allow)
    if len(found.url) > LONGEST:  # an international host may be longer in ASCII
        raise _too_long()
    return found


def _judge(text: str, allow: Allow) -> Address:
    parts = PARTS.match(text)
    if parts is None:
        raise _invalid("Addresses begin with http:// or https://")
    scheme, authority, rest = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise _invalid("The address has a name or password in it, before the @")
    place = PLACE.fullmatch(authority)
    name, digits = (place[1], place[2]) if place else ("", "")
    host, port = _host(name), _port(digits or str(SCHEMES[scheme]))
    if not host:
        raise _invalid("The address has no valid host name" if name else "The address names no host")
    if (host, port) not in allow and (port not in SCHEMES.values() or _is_closed(host)):
        raise PhotoError("fetch_blocked_address")
    shown = f"[{host}]" if ":" in host else host
    return Address(f"{scheme}://{shown}{'' if port == SCHEMES[scheme] else f':{port}'}{rest or '/'}", host, port)


def _invalid(reason: str) -> PhotoError:
    return PhotoError("invalid_image_url", reason=reason)


def _too_long() -> PhotoError:
    return _invalid(f"The address has more than {LONGEST:,} characters")


def _port(digits: str) -> int:
    if digits.isascii() and digits.isdecimal() and len(digits) <= 5 and 0 < int(digits) < 65536:
        return int(digits)
    raise _invalid("The port of the address is not a number from 1 to 65535")


@lru_cache(maxsize=4096)
def _host(name: str) -> str:
    """A host in the one spelling that resolvers make of it; "" when it is none.

    A number in any of `inet_aton`'s spellings becomes four decimals, an international name its ASCII form.
    """
    if len(name) > LONGEST_HOST + 1:  # a dot may end it
        return ""
    if name.startswith("[") and name.endswith("]"):
        try:
            return str(IPv6Address(name[1:-1]))
        except ValueError:
            return ""
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except UnicodeError:
            return ""
    name = name.lower().removesuffix(".")
    if name.rpartition(".")[2][:1].isdigit():  # no name ends so
        try:
            return socket.inet_ntoa(socket.inet_aton(name))
        except OSError:
            return ""
    return name if len(name) <= LONGEST_HOST and NAME.fullmatch(name) else ""


@lru_cache(maxsize=4096)
def _is_closed(host: str) -> bool:
    """Whether the host itself tells that it is not of the public."""
    last = host.rpartition(".")[2]
    if ":" in host or last[0].isdigit():
        return not is_public(host)
    return last == host or last in LOCAL


def is_public(ip: str) -> bool:
    """Whether an IP address belongs to the public internet. An IPv4 one inside an IPv6 one is judged itself."""
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or (IPv4Address(int(address) % 2**32) if address in NAT64 else None)
        if inner is None or address.scope_id:
            return address in OPEN_6 and not address.scope_id and not any(address in net for net in CLOSED_6)
        address = inner
    return not any(address in net for net in CLOSED_4)


# ---- what was meant ------------------------------------------------------------------------------------------------

BEGINNING = re.compile(r"([a-z]{0,8})\s*(?::|[:;]*/)[:;/]*\s*", re.IGNORECASE)
TWICE = re.compile(r"^(?:[a-z]{2,8}:/*)+(?=https?://)", re.IGNORECASE)
ANOTHER = re.compile(r"\s(?:https?:|www\.)", re.IGNORECASE)


def suggestion(address: str, allow: Allow = frozenset()) -> str:
    """What was likely meant by an address that `check` refuses, and passes it; "" where that cannot be told."""
    text = re.sub(r"[\t\r\n]", "", address.strip(HIDDEN + "\"'<>,;")).replace("\\", "/")
    scheme, rest = _meant(TWICE.sub("", text)) if len(text) <= LONGEST else ("", "")
    if not scheme or ANOTHER.search(rest) or ON_A_DISK.match(address.strip(HIDDEN)):
        return ""
    try:
        return check(f"{scheme}://{NOT_WRITTEN.sub('%20', rest)}", allow).url
    except PhotoError:
        return ""


def _meant(text: str) -> tuple[str, str]:
    """The scheme and what comes after it; no scheme where the text is nothing like an address."""
    found = BEGINNING.match(text)
    if found is None:
        host, slash, _ = text.partition("/")
        return "https" if "." in host and (slash or host.lower().startswith("www.")) else "", text
    word, rest = found[1].lower(), text[found.end() :]
    close = difflib.get_close_matches(word, SCHEMES, n=1) if word else ["https"]
    return close[0] if close else "", rest


# ---- what is reached -----------------------------------------------------------------------------------------------


async def ask(host: str, port: int) -> Sequence[str]:
    """The IP addresses of a host, as this machine's resolver has them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends a request only to an IP address that it has judged, for a name asked for once.

    Raises PhotoError as `check` does, also where one of the name's addresses is not public; else what httpx raises.
    The certificate is checked against the name. Redirects are the caller's: each is a request of its own.
    """

    def __init__(self, allow: Allow, resolve: Resolve = ask) -> None:
        self._allow = allow
        self._resolve = resolve
        # No connection is kept: the pool knows them by IP address, and would lend one name's to another's request.
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        address = _judge(str(request.url), self._allow)
        failure: httpx.TransportError = httpx.ConnectError("The name has no address.")
        for ip in await self._judged(address, request):
            try:
                return await self._inner.handle_async_request(_to(ip, address.host, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _judged(self, address: Address, request: httpx.Request) -> Sequence[str]:
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("connect")):
                found = await self._resolve(address.host, address.port)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("The name was not found in time.") from error
        except OSError as error:
            raise httpx.ConnectError("The name was not found.") from error
        if (address.host, address.port) not in self._allow and not all(map(is_public, found)):
            raise PhotoError("fetch_blocked_address")
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()


def _to(ip: str, host: str, request: httpx.Request) -> httpx.Request:
    """The same request, sent to this IP address; its Host header stays, and TLS speaks of the host."""
    url, extensions = request.url.copy_with(host=ip), {**request.extensions, "sni_hostname": host}
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)


def client(allow: Allow, **options: Any) -> httpx.AsyncClient:
    """For requests to addresses that people gave. No proxy of the environment, no redirect followed by itself."""
    return httpx.AsyncClient(transport=GuardedTransport(allow), trust_env=False, follow_redirects=False, **options)
