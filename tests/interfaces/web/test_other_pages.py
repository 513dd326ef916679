"""What pages of others, open in the same browser, get from the page's server: nothing."""

from __future__ import annotations

import http.server
import threading
from urllib.parse import urlsplit

import pytest

#: What a page of somebody else tries; each answers what it has got.
TRIES = {
    "a script": """(base) => new Promise((done) => {
        const script = document.createElement("script");
        script.onload = () => done("loaded");
        script.onerror = () => done("refused");
        script.src = `${base}/web/dom.js`;
        document.head.append(script);
    })""",
    "a style": """(base) => new Promise((done) => {
        const link = Object.assign(document.createElement("link"), { rel: "stylesheet" });
        link.onload = () => done("loaded");
        link.onerror = () => done("refused");
        link.href = `${base}/web/style.css`;
        document.head.append(link);
    })""",
    "reading": """(base) => fetch(`${base}/api/outline`, { credentials: "include" })
        .then((answer) => answer.text(), () => "refused")""",
    "reading blindly": """(base) => fetch(`${base}/api/outline`,
        { credentials: "include", mode: "no-cors" })
        .then((answer) => answer.status || "refused", () => "refused")""",
    "sending": """(base) => fetch(`${base}/api/input`,
        { method: "POST", body: "x", credentials: "include", mode: "no-cors" })
        .then((answer) => answer.status || "refused", () => "refused")""",
    "asking first": """(base) => fetch(`${base}/api/input`,
        { method: "POST", body: "{}", credentials: "include",
          headers: { "Content-Type": "application/json" } })
        .then((answer) => answer.text(), () => "refused")""",
    "a module": """(base) => import(`${base}/web/dom.js`).then(() => "loaded", () => "refused")""",
}

OUTLINE = """() => fetch("/api/outline").then((answer) => answer.json())"""


@pytest.fixture(scope="module")
def stranger():
    """The port of a server of somebody else on this machine, whose page is empty."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def window(chromium, served):
    """A window of a browser that was let in, and where the page is."""
    url = served("digits")
    context = chromium.new_context()
    page = context.new_page()
    page.goto(url)
    page.locator("canvas").first.wait_for()
    yield page, "http://{0.hostname}:{0.port}".format(urlsplit(url))
    context.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_page_gets_nothing(window, stranger, host):
    """Also one of the same host, to which the browser sends the cookie."""
    page, base = window
    before = page.evaluate(OUTLINE)
    page.goto(f"http://{host}:{stranger}/")
    for what, code in TRIES.items():
        assert page.evaluate(code, base) == "refused", what
    page.goto(base)  # by itself, it still gets everything
    assert page.evaluate(OUTLINE) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_page_cannot_be_framed(window, stranger, host):
    page, base = window
    page.goto(f"http://{host}:{stranger}/")
    page.evaluate(
        """(base) => new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.onload = done;
            frame.src = base;
            document.body.append(frame);
        })""",
        base,
    )
    frame = page.frames[1]
    assert frame.evaluate("document.querySelector('#layerscope')") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_link_from_another_page_leads_to_the_page_and_to_its_view(
    chromium, served, stranger, host
):
    """Where the browser was not let in before: it sends no strict cookie along a redirection."""
    url = served("digits")
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"http://{host}:{stranger}/")
    page.evaluate(
        """(url) => {
            const link = document.createElement("a");
            link.href = url;
            link.textContent = "see";
            document.body.append(link);
        }""",
        f"{url}#/conv2d",
    )
    page.get_by_role("link", name="see").click()
    page.get_by_role("heading", name="conv2d", exact=True).wait_for()
    assert "token" not in page.url
    assert page.url.endswith("/#/conv2d")
    context.close()


def test_scripts_of_the_page_do_not_see_the_secret(window):
    page, _ = window
    assert page.evaluate("document.cookie") == ""
    assert "token" not in page.url
    names = [cookie for cookie in page.context.cookies() if cookie["httpOnly"]]
    assert [cookie["sameSite"] for cookie in names] == ["Strict"]


def test_nothing_inline_runs_on_the_page(window):
    """Were a name of a model to come into the document, its script would not run."""
    page, _ = window
    page.evaluate(
        """() => {
            const at = document.querySelector("#layerscope");
            at.insertAdjacentHTML("beforeend", '<img src="x" onerror="window.ran = 1">');
            const script = document.createElement("script");
            script.textContent = "window.ran = 1";
            at.append(script);
            const away = document.createElement("img");
            away.src = "http://localhost:1/x.png";
            at.append(away);
        }"""
    )
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate("window.ran") is None
