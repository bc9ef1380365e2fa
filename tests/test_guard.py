"""Which addresses may be reached: what is written, what a name leads to, and each hop."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from processing import guard
from processing.errors import PhotoError
from tests import certificate
from tests.receiver import listening

NOBODY: guard.Allow = frozenset()
FINE, INVALID, BLOCKED = "", "invalid_image_url", "fetch_blocked_address"


def refusal(address: str, allow: guard.Allow = NOBODY) -> str:
    """The code with which it is refused."""
    try:
        guard.check(address, allow)
    except PhotoError as error:
        return error.code
    return FINE


# ---- what is written -----------------------------------------------------------------------------------------------

FINE_ADDRESSES = """
    http://example.com/a.jpg
    https://example.com
    HTTPS://Example.COM/A.jpg
    https://example.com:443/a.jpg
    http://example.com:80/
    http://example.com:/a.jpg
    http://example.com:443/a.jpg
    http://example.com./a.jpg
    https://cdn-1.shop_images.example.com/a.jpg
    https://r3---sn.example.com/a.jpg
    https://123.example.com/a.jpg
    https://127.0.0.1.example.com/a.jpg
    https://localhost.example.com/a.jpg
    https://internal.example.com/a.jpg
    https://0x7f.example.com/
    https://example.com?size=large
    https://example.com/a.jpg?next=http://127.0.0.1/&at=a@b#top
    https://example.com/a,b;c=1/@2x/(red)/%20/a.jpg
    https://example.com/grün/Füße.jpg
    https://bücher.example.com/a.jpg
    https://xn--bcher-kva.example.com/a.jpg
    https://例え.テスト/a.jpg
    https://straße.example.com/a.jpg
    https://ｅｘａｍｐｌｅ。com/a.jpg
    https://shop.xn--3e0b707e/a.jpg
    http://8.8.8.8/a.jpg
    http://134744072/a.jpg
    http://0x08080808/a.jpg
    http://010.8.8.8/a.jpg
    http://1.1/a.jpg
    http://①.①.①.①/a.jpg
    http://9.255.255.255/
    http://11.0.0.0/
    http://100.63.255.255/
    http://100.128.0.0/
    http://126.255.255.255/
    http://128.0.0.1/
    http://169.253.255.255/
    http://172.15.255.255/
    http://172.32.0.1/
    http://192.0.1.1/
    http://192.167.255.255/
    http://192.169.0.1/
    http://198.17.255.255/
    http://198.20.0.1/
    http://223.255.255.255/
    http://[2606:4700:4700::1111]/a.jpg
    http://[2606:4700:4700:0:0:0:0:1111]:80/a.jpg
    http://[2a00:1450:4001:81b::200e]/
    http://[2001:4860:4860::8888]/
    http://[::ffff:8.8.8.8]/
    http://[64:ff9b::8.8.8.8]/
"""

BLOCKED_ADDRESSES = """
    http://localhost/
    http://LOCALHOST./
    https://shop.localhost/
    http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/
    http://printer.local/
    http://metadata.google.internal/computeMetadata/v1/
    http://intranet/a.jpg
    http://example.com:22/
    http://example.com:8080/
    https://example.com:6379/
    http://127.0.0.1/
    http://127.0.0.1./
    http://127.1/
    http://127.0.1/
    http://127.255.255.254/
    http://2130706433/
    http://017700000001/
    http://0177.0.0.1/
    http://0x7f.1/
    http://0x7f000001/
    http://0X7F.0.0.0x1/
    http://0x7f.0x0.0x0.0x1/
    http://①②⑦.⓪.⓪.①/
    http://１２７.０.０.１/
    http://127。0。0。1/
    http://127．0．0．1/
    http://0/
    http://0.0.0.0/
    http://0.1.2.3/
    http://10.0.0.1/
    http://10.255.255.255/
    http://167772161/
    http://100.64.0.1/
    http://100.100.100.200/
    http://100.127.255.255/
    http://168.63.129.16/
    http://169.254.169.254/latest/meta-data/
    http://0xa9fea9fe/
    http://169.254.0.1/
    http://172.16.0.1/
    http://172.31.255.255/
    http://192.0.0.1/
    http://192.0.0.192/
    http://192.0.2.1/
    http://192.88.99.1/
    http://192.168.0.1/
    http://192.168.257/
    http://198.18.0.1/
    http://198.19.255.255/
    http://198.51.100.7/
    http://203.0.113.9/
    http://224.0.0.1/
    http://239.255.255.255/
    http://240.0.0.1/
    http://255.255.255.255/
    http://[::]/
    http://[::1]/
    http://[0:0:0:0:0:0:0:1]:443/
    http://[::ffff:127.0.0.1]/
    http://[::ffff:7f00:1]/
    http://[0:0:0:0:0:ffff:a00:1]/
    http://[::ffff:168.63.129.16]/
    http://[::127.0.0.1]/
    http://[::8.8.8.8]/
    http://[::ffff:0:8.8.8.8]/
    http://[64:ff9b::127.0.0.1]/
    http://[64:ff9b::a00:1]/
    http://[64:ff9b::a9fe:a9fe]/
    http://[64:ff9b:1::8.8.8.8]/
    http://[64:ff9b:1:7f00:0:100::]/
    http://[100::1]/
    http://[2001::1]/
    http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/
    http://[2001:2::1]/
    http://[2001:10::1]/
    http://[2001:db8::1]/
    http://[2002:7f00:1::]/
    http://[2002:a00:1::1]/
    http://[2002:808:808::1]/
    http://[3fff::1]/
    http://[5f00::1]/
    http://[fc00::1]/
    http://[fd00:ec2::254]/
    http://[fe80::1]/
    http://[fe80::1%25eth0]/
    http://[fe80::1%eth0]/
    http://[2606:4700:4700::1111%25eth0]/
    http://[::ffff:8.8.8.8%25eth0]/
    http://[fec0::1]/
    http://[ff02::1]/
"""

INVALID_ADDRESSES = """
    example.com/a.jpg
    //example.com/a.jpg
    htp://example.com/a.jpg
    http:/example.com/a.jpg
    http//example.com/a.jpg
    http:example.com
    ftp://example.com/a.jpg
    file:///etc/passwd
    gopher://127.0.0.1:6379/_
    data:image/png;base64,AAAA
    javascript:alert(1)
    s3://bucket/a.jpg
    http://
    https:///a.jpg
    http://:80/a.jpg
    http://?a.jpg
    http://user@example.com/
    http://user:word@example.com/
    http://example.com@127.0.0.1/
    http://127.0.0.1:80@example.com/
    http://example.com\\@127.0.0.1/
    http:\\\\example.com\\a.jpg
    http://example.com:0/
    http://example.com:65536/
    http://example.com:99999999999/
    http://example.com:abc/
    http://example.com:８０/
    http://example.com:+80/
    http://256.256.256.256/
    http://1.2.3.4.5/
    http://0.0.0.09/
    http://4294967296/
    http://example..com/
    http://.example.com/
    http://exam!ple.com/
    http://%31%32%37.0.0.1/
    http://example.com%2f@127.0.0.1/
    http://a／b.example.com/
    http://127.0.0.1＠example.com/
    http://[::1/
    http://::1/
    http://[::g]/
    http://[v1.a]/
    http://[127.0.0.1]/
    http://[]/
"""

TABLE = [
    (address, code)
    for code, lines in ((FINE, FINE_ADDRESSES), (BLOCKED, BLOCKED_ADDRESSES), (INVALID, INVALID_ADDRESSES))
    for address in lines.split()
]


@pytest.mark.parametrize(("address", "code"), TABLE, ids=ascii)
def test_what_is_written_is_judged(address: str, code: str) -> None:
    assert refusal(address) == code


@pytest.mark.parametrize("address", ["http://127.0.0.1/\ud800", "http://example.com/\ud800", "http://\ud800.com/"])
def test_half_a_character_is_refused(address: str) -> None:
    assert refusal(address) == INVALID


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "There is no address."),
        (" \t\u200b", "There is no address."),
        ("shop.example.com/a.jpg", "Addresses begin with http:// or https://."),
        ("C:\\Our Pictures\\x.jpg", "This is a file on a computer, not an address."),
        ("c:/pictures/x.jpg", "This is a file on a computer, not an address."),
        ("\\\\server\\pictures\\x.jpg", "This is a file on a computer, not an address."),
        ("http:\\\\example.com\\a.jpg", "There is a \\ in the address, where a / belongs."),
        ("http://", "The address names no host."),
        ("http://a b.example.com/", "There is a space or an invisible character in the address."),
        ("http://example.com/a\r\nHost: b", "There is a space or an invisible character in the address."),
        ("http://example.com/a\u202egpj.jpg", "There is a space or an invisible character in the address."),
        ("http://me@example.com/", "The address has a name or password in it, before the @."),
        ("http://1.2.3.4.5/", "The address has no valid host name."),
        ("http://example.com:x/", "The port of the address is not a number from 1 to 65535."),
        ("http://example.com/" + "a" * 2000, "The address has more than 2,000 characters."),
        (f"http://{'例え' * 6}.com/" + "a" * 1975, "The address has more than 2,000 characters."),  # in ASCII
        (f"http://{'a.' * 127}com/", "The address has no valid host name."),
        (f"http://{'ü' * 1000}.com/", "The address has no valid host name."),
    ],
)
def test_a_refusal_says_what_is_wrong(address: str, reason: str) -> None:
    with pytest.raises(PhotoError) as raised:
        guard.check(address, NOBODY)
    assert (raised.value.code, raised.value.message) == (INVALID, reason)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("\ufeff http://example.com/a.jpg\n", ("http://example.com/a.jpg", "example.com", 80)),
        ("HTTPS://Example.COM.:443/A?b#c", ("https://example.com/A?b", "example.com", 443)),
        ("https://example.com", ("https://example.com/", "example.com", 443)),
        ("http://example.com:443/a", ("http://example.com:443/a", "example.com", 443)),
        ("https://straße.example.com/", ("https://xn--strae-oqa.example.com/", "xn--strae-oqa.example.com", 443)),
        ("http://134744072/a.jpg", ("http://8.8.8.8/a.jpg", "8.8.8.8", 80)),
        ("http://[2606:4700:0::1]/", ("http://[2606:4700::1]/", "2606:4700::1", 80)),
    ],
)
def test_an_address_is_given_in_its_one_spelling(address: str, found: tuple[str, str, int]) -> None:
    assert guard.check(address, NOBODY) == found
    assert str(httpx.URL(found[0])) == found[0]  # what is asked for is what was judged


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://localhost:8001/a.jpg", FINE),
        ("https://LOCALHOST:8001/a.jpg", FINE),
        ("http://[::1]:9000/", FINE),
        ("http://10.1:9000/", FINE),
        ("http://localhost/a.jpg", BLOCKED),
        ("http://localhost:8002/a.jpg", BLOCKED),
        ("http://127.0.0.1:8001/a.jpg", BLOCKED),
        ("http://shop.localhost:8001/a.jpg", BLOCKED),
        ("http://me@localhost:8001/a.jpg", INVALID),
    ],
)
def test_what_is_allowed_is_one_host_with_one_port(address: str, code: str) -> None:
    assert refusal(address, frozenset({("localhost", 8001), ("::1", 9000), ("10.0.0.1", 9000)})) == code


# ---- what was meant ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("htp://example.com/a.jpg", "http://example.com/a.jpg"),
        ("htttps://example.com/a.jpg", "https://example.com/a.jpg"),
        ("ttps://example.com/a.jpg", "https://example.com/a.jpg"),
        ("http:/example.com/a.jpg", "http://example.com/a.jpg"),
        ("http:///example.com/a.jpg", "http://example.com/a.jpg"),
        ("http//example.com/a.jpg", "http://example.com/a.jpg"),
        ("https;//example.com/a.jpg", "https://example.com/a.jpg"),
        ("https:example.com/a.jpg", "https://example.com/a.jpg"),
        ("https://http://example.com/a.jpg", "http://example.com/a.jpg"),
        ("://example.com/a.jpg", "https://example.com/a.jpg"),
        ("//example.com/a.jpg", "https://example.com/a.jpg"),
        ("www.example.com", "https://www.example.com/"),
        ("www.shop.example/a.jpg", "https://www.shop.example/a.jpg"),
        ("example.com/a.jpg", "https://example.com/a.jpg"),
        ("http:\\\\example.com\\a.jpg", "http://example.com/a.jpg"),
        ("http://example.com/red shoe.jpg", "http://example.com/red%20shoe.jpg"),
        ("http:// example.com/a.jpg", "http://example.com/a.jpg"),
        ("http://example.com/a-very-\nlong.jpg", "http://example.com/a-very-long.jpg"),
        ("\"htp://example.com/a.jpg\",", "http://example.com/a.jpg"),
        ("", ""),
        ("none", ""),
        ("photo.jpg", ""),
        ("images/photo.jpg", ""),
        ("../images/photo.jpg", ""),
        ("C:\\photos\\a.jpg", ""),
        ("\\\\shop.example.com\\photos\\a.jpg", ""),
        ("ftp://example.com/a.jpg", ""),
        ("s3://bucket/a.jpg", ""),
        ("data:image/png;base64,AAAA", ""),
        ("me@example.com/a", ""),
        ("http://me:word@example.com/a.jpg", ""),
        ("http://exam ple.com/a.jpg", ""),
        ("http://example.com/a.jpg http://example.com/b.jpg", ""),
        ("htp://127.0.0.1/a.jpg", ""),
        ("http:" * 3000, ""),
        ("http://" * 3000, ""),
    ],
)  # fmt: skip
def test_a_likely_address_is_suggested(address: str, meant: str) -> None:
    assert guard.suggestion(address) == meant
    assert not meant or refusal(meant) == FINE


def test_an_allowed_place_is_suggested_too() -> None:
    allow = frozenset({("localhost", 8001)})
    assert guard.suggestion("htp://localhost:8001/a.jpg", allow) == "http://localhost:8001/a.jpg"


# ---- what a name leads to ------------------------------------------------------------------------------------------


class Names:
    """A resolver that gives these answers one after the other, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = answers, 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


async def get(url: str, names: guard.Resolve, allow: guard.Allow = NOBODY, **options: object) -> httpx.Response:
    async with httpx.AsyncClient(transport=guard.GuardedTransport(allow, names), trust_env=False) as client:
        return await client.get(url, **options)


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.1"],
        ["10.0.0.1", "93.184.215.14"],
        ["2606:4700::1111", "::1"],
        ["93.184.215.14", "fe80::1%eth0"],
        ["64:ff9b::7f00:1"],
    ],
)
async def test_one_address_that_is_not_public_refuses_the_name(answer: Sequence[str]) -> None:
    with pytest.raises(PhotoError, match=BLOCKED):
        await get("http://example.com/a.jpg", Names(answer))


async def test_a_forbidden_address_is_refused_before_anybody_is_asked_for_it() -> None:
    names = Names(["93.184.215.14"])
    for url in ("http://127.0.0.1/", "http://example.com:22/", "http://localhost/"):
        with pytest.raises(PhotoError, match=BLOCKED):
            await get(url, names)
    with pytest.raises(PhotoError, match=INVALID):
        await get("http://me:word@example.com/", names)
    assert names.asked == 0


async def test_the_connection_goes_to_what_was_judged_and_the_name_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names, sent = Names(["93.184.215.14"], ["127.0.0.1"]), []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    transport = guard.GuardedTransport(NOBODY, names)
    monkeypatch.setattr(transport, "_inner", httpx.MockTransport(answer))  # the public may be out of reach
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get("https://example.com/a.jpg?b")
        assert [str(request.url) for request in sent] == ["https://93.184.215.14/a.jpg?b"]
        assert (sent[0].headers["host"], sent[0].extensions["sni_hostname"]) == ("example.com", "example.com")
        assert response.url == "https://example.com/a.jpg?b"
        assert names.asked == 1
        with pytest.raises(PhotoError, match=BLOCKED):  # a second request is judged anew
            await client.get("https://example.com/a.jpg")
    assert len(sent) == 1


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with listening() as server:
        allow = frozenset({("shop.example.com", server.port)})
        url = f"http://shop.example.com:{server.port}/a.jpg"
        response = await get(url, Names(["127.0.0.2", "127.0.0.1"]), allow)
        assert response.status_code == 200
        assert [sent.headers["host"] for sent in server.got] == [f"shop.example.com:{server.port}"]
        with pytest.raises(httpx.ConnectError):
            await get(url, Names(["127.0.0.2", "127.0.0.3"]), allow)


async def test_a_body_is_sent_whole_to_the_address_that_answers() -> None:
    with listening() as server:
        allow = frozenset({("shop.example.com", server.port)})
        transport = guard.GuardedTransport(allow, Names(["127.0.0.2", "127.0.0.1"]))
        async with httpx.AsyncClient(transport=transport) as client:
            await client.post(f"http://shop.example.com:{server.port}/", content=b"told")
        assert [sent.body for sent in server.got] == [b"told"]


async def test_a_name_that_nobody_knows_is_a_failure_to_connect() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    for names in (unknown, Names([])):
        with pytest.raises(httpx.ConnectError):
            await get("http://example.com/", names)


async def test_a_resolver_that_hangs_is_left_after_the_time_to_connect() -> None:
    async def hangs(host: str, port: int) -> Sequence[str]:
        raise TimeoutError

    with pytest.raises(httpx.ConnectTimeout):
        await get("http://example.com/", hangs, timeout=httpx.Timeout(1))


async def test_this_machines_own_resolver_is_asked() -> None:
    with listening() as server:
        async with guard.client(server.allow) as client:
            assert (await client.get(server.url)).text == "ok"
        async with guard.client(NOBODY) as client:
            with pytest.raises(PhotoError, match=BLOCKED):
                await client.get(server.url)
        assert len(server.got) == 1


# ---- redirects, proxies, certificates ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:1/",
        "http://localhost/",
        "http://2130706433:{port}/",
        "http://[::1]:{port}/",
        "//169.254.169.254/latest/",
    ],
)
async def test_each_hop_is_judged(place: str) -> None:
    with listening() as server:
        server.answers, server.headers = [302], {"location": place.format(port=server.port)}
        async with guard.client(server.allow) as client:
            response = await client.get(server.url)
            assert response.next_request  # it is not followed by itself
            with pytest.raises(PhotoError, match=BLOCKED):
                await client.send(response.next_request)
        assert len(server.got) == 1


async def test_an_allowed_hop_is_taken() -> None:
    with listening() as server:
        server.answers, server.headers = [302, 200], {"location": "/moved"}
        async with guard.client(server.allow) as client:
            response = await client.get(server.url)
            assert (await client.send(response.next_request)).text == "ok"
        assert [sent.path for sent in server.got] == ["/told", "/moved"]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as server, listening() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://localhost:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://localhost:{proxy.port}")
        async with guard.client(server.allow) as client:
            await client.get(server.url)
        assert (len(server.got), len(proxy.got)) == (1, 0)


@pytest.fixture
def own_certificate(tmp_path: Path) -> Path:
    return certificate.make(tmp_path, "shop.example.com")


async def test_a_certificate_that_nobody_vouches_for_is_refused(own_certificate: Path) -> None:
    with listening(certificate.serving(own_certificate)) as server:
        url, allow = f"https://shop.example.com:{server.port}/", frozenset({("shop.example.com", server.port)})
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get(url, Names(["127.0.0.1"]), allow)
        assert server.got == []


async def test_the_certificate_is_held_against_the_name_also_at_an_address_just_spoken_to(
    own_certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own_certificate))  # an operator does
    with listening(certificate.serving(own_certificate)) as server:
        allow = frozenset({("shop.example.com", server.port), ("other.example.com", server.port)})
        transport = guard.GuardedTransport(allow, Names(["127.0.0.1"]))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get(f"https://shop.example.com:{server.port}/")).text == "ok"
            with pytest.raises(httpx.ConnectError, match=r"other\.example\.com"):
                await client.get(f"https://other.example.com:{server.port}/")
        assert len(server.got) == 1
