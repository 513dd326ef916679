"""Who is let in, and what is refused before any route is reached."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("keras")
pytest.importorskip("starlette")

from cases.pages import site, site_of
from layerscope.interfaces.page import assets
from layerscope.interfaces.server.access import Access
from layerscope.interfaces.server.guard import LARGEST_UPLOAD

#: Every kind of address that the page has.
ADDRESSES = ("/", "/web/main.js", "/api/outline", "/api/panel/passage", "/nothing", "/api/nothing")
CARRIED = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=()",
    "cache-control": "no-store",
}


@pytest.fixture(scope="module")
def served():
    with site() as page:
        yield page


@pytest.fixture
def stranger(served):
    """A browser without a cookie."""
    served.client.cookies.clear()
    return served.client


@pytest.fixture
def client(served):
    """A browser that was let in."""
    return served.enter()


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_there_without_the_token(stranger, address):
    reply = stranger.get(address)
    assert reply.status == 403
    assert "Open the whole address that layerscope printed." in reply.text
    assert len(reply.text) < 100


def test_the_token_becomes_a_strict_cookie_and_leaves_the_address(stranger, served):
    reply = stranger.get("/", query={"token": served.access.token})
    assert (reply.status, reply.headers["location"]) == (303, "/")
    name, _, rest = reply.headers["set-cookie"].partition("=")
    secret, *flags = rest.split("; ")
    assert name == "layerscope-8765"
    assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert served.access.token not in reply.headers["set-cookie"]
    assert len(secret) >= 32
    assert stranger.get("/").status == 200


def test_a_browser_from_another_site_is_led_on_by_a_page(stranger, served):
    """It would send no strict cookie along a redirection."""
    reply = stranger.get(
        "/", query={"token": served.access.token}, headers={"sec-fetch-site": "cross-site"}
    )
    assert reply.status == 200
    assert "set-cookie" in reply.headers
    nonce = reply.headers["content-security-policy"].split("'nonce-")[1].rstrip("'")
    assert f'<script nonce="{nonce}">location.replace("/" + location.hash)' in reply.text


def test_the_token_lets_in_again_and_the_one_for_once_does_not(stranger, served):
    once = served.access.token_for_once()
    for token, status in ((once, 303), (once, 403), *[(served.access.token, 303)] * 2):
        stranger.cookies.clear()
        assert stranger.get("/", query={"token": token}).status == status


@given(st.text())
def test_no_other_token_and_no_other_cookie_lets_in(served, token):
    served.client.cookies.clear()
    reply = served.client.get("/", query={"token": token})
    assert reply.status == 403
    assert "set-cookie" not in reply.headers
    for cookie in (token, f"layerscope-8765={token}", f"layerscope-8765={served.access.token}"):
        assert served.client.get("/api/outline", headers={"cookie": cookie}).status == 403


@pytest.mark.parametrize(
    "query",
    [
        "token=",
        "token",
        "Token={}",
        "token={0}&token={0}",
        "token={}&token=x",
        "x=1",
        "token={}%00",
    ],
)
def test_an_address_with_no_one_token_is_refused(stranger, served, query):
    assert stranger.get("/", query=query.format(served.access.token)).status == 403


def test_the_token_is_taken_at_the_start_only(stranger, served):
    for address in ADDRESSES[1:]:
        assert stranger.get(address, query={"token": served.access.token}).status == 403


def test_a_browser_that_was_let_in_opens_an_old_address(client):
    assert client.get("/", query={"token": "of yesterday"}).status == 303


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8765",
        "localhost:8765",
        "[::1]:8765",
        "LOCALHOST:8765",
        "127.0.0.1",
        "127.0.0.1:9",
    ],
)
def test_this_machine_is_asked_by_its_names_at_the_port_of_any_tunnel(stranger, served, host):
    stranger.cookies.clear()
    query = {"token": served.access.token}
    reply = stranger.get("/", query=query, headers={"host": host})
    assert reply.status == 303
    port = host.rpartition(":")[2] if host != "127.0.0.1" else "80"
    assert reply.headers["set-cookie"].startswith(f"layerscope-{port}=")
    assert stranger.get("/", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8765", "127.0.0.1.evil.example:8765", "localhost.evil:8765",
        "127.0.0.2:8765", "0.0.0.0:8765", "user@127.0.0.1:8765", "127.0.0.1:8765:80", "127.0.0.1:x",
        "", " ", "127.0.0.1:8765, evil", "[::1", "[::2]:8765", "localhost.:8765", "2130706433",
        "127.0.0.1:8765\n", "127.0.0.1:\u0661", "\u066127.0.0.1:8765",
    ],
)  # fmt: skip
def test_another_name_is_refused_though_the_cookie_is_right(client, host):
    for address in ADDRESSES:
        reply = client.get(address, headers={"host": host})
        assert reply.status == 403, address
        assert "another name" in reply.text


def test_two_names_at_once_are_refused(client):
    headers = [("host", "127.0.0.1:8765"), ("host", "127.0.0.1:8765")]
    assert client.get("/", headers=headers).status == 403


def test_two_servers_do_not_log_each_other_out():
    """Browsers share the cookies of a host among its ports."""
    with site() as one, site_of(one.subject, host="127.0.0.1:9999") as other:
        jar = {**one.enter().cookies, **other.enter().cookies}
        swapped = dict(zip(jar, reversed(jar.values()), strict=True))
        for page in (one, other):
            page.client.cookies = jar
            assert page.client.get("/api/outline").status == 200
            page.client.cookies = swapped
            assert page.client.get("/api/outline").status == 403


def test_cookies_of_others_are_in_nobodys_way(client):
    (pair,) = client.cookies.items()
    for others in ('a={"b": [1, "c"]}', "a[b]=c", "=", "é=1", '"', "a=1; a=2;;"):
        cookie = f"{others}; {'='.join(pair)}; {others}"
        assert client.get("/", headers={"cookie": cookie}).status == 200, others


def test_what_asks_from_another_page_is_refused(client):
    for origin in (
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:8765",
    ):
        for method in ("GET", "POST"):
            reply = client.ask(method, "/api/outline", headers={"origin": origin})
            assert reply.status == 403, origin
            assert "another page" in reply.json()["error"]
    for place in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": place, "sec-fetch-mode": "no-cors"}
        assert client.get("/web/main.js", headers=headers).status == 403
        assert client.get("/", headers=headers).status == 403
        assert client.get("/", headers={**headers, "sec-fetch-mode": "navigate"}).status == 200
    assert client.get("/web/main.js", headers={"sec-fetch-site": "same-origin"}).status == 200
    assert client.get("/api/outline", headers={"origin": client.origin}).status == 200


def test_what_is_sent_must_come_from_the_page(client):
    assert client.ask("POST", "/api/outline", body=b"x").status == 403
    own = {"origin": client.origin}
    assert client.ask("POST", "/api/outline", body=b"x", headers=own).status == 405  # of the route
    own["sec-fetch-site"] = "same-origin"
    assert client.ask("POST", "/api/outline", body=b"x", headers=own).status == 405


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (str(LARGEST_UPLOAD + 1), 413), ("9" * 40, 413), ("9" * 5_000, 413), ("-1", 411), ("", 411),
        ("x", 411), ("\u0661", 411), ("1.5", 411), (str(LARGEST_UPLOAD), 405),
    ],
)  # fmt: skip
def test_what_is_sent_is_limited_before_it_is_read(client, length, status):
    headers = {"origin": client.origin, "content-length": length}
    assert client.ask("POST", "/api/outline", headers=headers).status == status


def test_what_is_sent_says_its_length(client):
    headers = {"origin": client.origin, "content-length": "4", "transfer-encoding": "chunked"}
    assert client.ask("POST", "/api/outline", headers=headers).status == 411


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"]
)
@pytest.mark.parametrize("known", [True, False], ids=["client", "stranger"])
def test_other_methods_are_refused(served, known, method):
    served.client.cookies.clear()
    if known:
        served.enter()
    for address in ADDRESSES:
        reply = served.client.ask(method, address)
        assert reply.status == 405
        assert reply.headers["allow"] == "GET, HEAD, POST"
        assert not any(name.startswith("access-control") for name in reply.headers)


def test_head_is_answered_like_get(client):
    for address in ("/", "/web/main.js", "/api/outline"):
        assert client.ask("HEAD", address).status == 200
    assert client.ask("HEAD", "/web/nothing.js").status == 404


def test_an_address_that_is_too_long_is_refused(client):
    assert client.get("/api/panel/layer", query={"address": "a" * 17_000}).status == 414
    assert client.get("/api/panel/" + "a" * 17_000).status == 414


@pytest.mark.parametrize("address", [*ADDRESSES, "/api/panel/nothing", "/web/nothing.js"])
@pytest.mark.parametrize("known", [True, False], ids=["client", "stranger"])
def test_every_answer_carries_what_keeps_it_here(served, known, address):
    served.client.cookies.clear()
    if known:
        served.enter()
    reply = served.client.get(address)
    for name, value in CARRIED.items():
        assert value in reply.headers[name], name


def test_the_page_runs_nothing_from_elsewhere_and_nothing_inline(client):
    replies = [client.get("/") for _ in range(2)]
    policies = [reply.headers["content-security-policy"] for reply in replies]
    assert policies[0] != policies[1]  # a nonce is for once
    for policy, reply in zip(policies, replies, strict=True):
        assert "default-src 'none'" in policy
        assert not any(word in policy for word in ("unsafe", "*", "http", "strict-dynamic"))
        nonce = policy.split("'nonce-")[1].split("'")[0]
        assert reply.text.count("<script") == reply.text.count(f'nonce="{nonce}"') == 1


_STEPS = ("..", ".", "", "web", "..\\", "C:", "\x00", "etc", "passwd", "__init__.py", "main.js",
          "\ud800", "%2e%2e", "~", "style.css/", "\u2025")  # fmt: skip
_PATHS = st.one_of(st.text(), st.lists(st.sampled_from(_STEPS)).map("/".join))


@given(_PATHS.filter(lambda name: name not in assets.names()))
def test_only_the_files_of_the_page_are_there(served, name):
    client = served.enter()
    quoted = quote(name.encode("utf-8", "surrogatepass"), safe="")
    for path in (f"/web/{quoted}", f"/web/{quoted.replace('%2F', '/')}", f"/web/../web/{quoted}"):
        assert client.get(path).status == 404, path


def test_all_files_of_the_page_are_there(client):
    for name in assets.names():
        reply = client.get(f"/web/{name}")
        assert reply.status == 200
        assert reply.text == assets.text(name)


def test_a_web_socket_is_refused(served):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(served.client.app({"type": "websocket", "path": "/api/outline"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("host", "asked", "answers"),
    [
        ("0.0.0.0", "192.168.1.7:8765", True),
        ("0.0.0.0", "[fe80::1]:8765", True),
        ("0.0.0.0", "evil.example:8765", False),
        ("::", "10.0.0.1", True),
        ("192.168.1.7", "192.168.1.7:8765", True),
        ("192.168.1.7", "192.168.1.8:8765", False),
        ("gpu1", "GPU1:8765", True),
        ("gpu1", "gpu2:8765", False),
        ("gpu1", "localhost:8765", True),
        ("fe80::7", "[fe80::7]:8765", True),
    ],
)
def test_a_server_for_others_is_asked_by_its_own_names(host, asked, answers):
    assert Access(host).answers_to(asked) is answers


def test_a_server_everywhere_is_asked_by_the_name_of_the_machine():
    assert Access("0.0.0.0").answers_to(f"{socket.gethostname()}:8765")
