"""Servers as such: where they listen, how they end, and that two of them do not mix."""

from __future__ import annotations

import gc
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("starlette")

import layerscope as ls
from cases.pages import images, network
from cases.runs import learner
from layerscope.core.errors import InputError, MissingDependencyError, ModelError
from layerscope.interfaces.page.opening import page_subject
from layerscope.interfaces.server.serve import Server


def asked(server, path, cookie="", **headers):
    """The status, headers and body of an answer, over a real socket."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        fields = {**({"Cookie": cookie} if cookie else {}), **headers}
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def entered(server, url=None):
    """The cookie of a browser that has opened the whole address."""
    path = (url or server.url).partition(f":{server.port}")[2]
    status, headers, _ = asked(server, path)
    assert status == 303
    return headers["set-cookie"].partition(";")[0]


def outline(server):
    status, _, body = asked(server, "/api/outline", entered(server))
    assert status == 200
    return json.loads(body)


@pytest.fixture(scope="module")
def model():
    return network("conv")


@pytest.fixture(scope="module")
def steady(model):
    """A server for tests that only ask."""
    with ls.serve(model, images()) as server:
        yield server


def pages():
    return [t for t in threading.enumerate() if t.name.startswith("layerscope ")]


def test_the_address_opens_the_page_and_nothing_else_does(model):
    with ls.serve(model, images()) as server:
        assert server.url.startswith(f"http://127.0.0.1:{server.port}/?token=")
        assert repr(server) == f"<layerscope.Server {server.url}>"
        assert f'href="{server.url}"' in server._repr_html_()
        assert asked(server, "/")[0] == 403
        cookie = entered(server)
        status, headers, body = asked(server, "/", cookie)
        assert status == 200
        assert b"start_server.js" in body
        assert "server" not in headers
        assert len(outline(server)["samples"]) == 3
        once = server.url_for_once()
        assert entered(server, once)
        assert asked(server, once.partition(f":{server.port}")[2])[0] == 403


def test_a_server_that_was_stopped_is_gone_and_stopping_it_again_is_no_error(model):
    before = pages()
    server = ls.serve(model, images())
    assert server.running
    server.stop()
    server.stop()
    assert not server.running
    assert "stopped" in repr(server)
    assert pages() == before
    with pytest.raises(ConnectionRefusedError):
        asked(server, "/")
    with ls.serve(model, images(), port=server.port) as again:  # it is free
        assert again.port == server.port


def test_a_port_is_closed_though_a_process_that_was_forked_holds_it(model):
    server = ls.serve(model, images())
    held = os.dup(server._socket.fileno())  # as in a worker that loads data
    server.stop()
    try:
        with pytest.raises(ConnectionRefusedError):
            asked(server, "/")
    finally:
        os.close(held)


def test_what_a_server_held_goes_with_it(model):
    class Model(keras.Model):
        def call(self, x):
            return x

    held = Model()
    server = ls.serve(held, np.zeros((1, 3), np.float32))
    server.stop()
    watched = weakref.ref(held)
    del held, server
    gc.collect()
    assert watched() is None


def test_servers_side_by_side_do_not_mix(model):
    with ls.serve(model, images(1)) as one, ls.serve(network("other"), images(2)) as two:
        assert one.port != two.port
        assert outline(one)["layers"][0]["address"] == "conv"
        assert outline(two)["layers"][0]["address"] == "other"
        assert asked(two, "/", entered(one))[0] == 403
        one.stop()
        assert len(outline(two)["samples"]) == 2


def test_a_client_that_waits_is_told_when_the_server_ends(model, monkeypatch):
    """Also while something is being computed that takes longer than anyone waits."""
    subject = page_subject(model, images())
    server = Server(subject)
    cookie = entered(server)
    begun, go = threading.Event(), threading.Event()

    def slow():
        begun.set()
        go.wait(60)
        return {}

    monkeypatch.setattr(subject, "outline", slow)
    answers = []
    client = threading.Thread(
        target=lambda: answers.append(asked(server, "/api/outline", cookie)), daemon=True
    )
    client.start()
    assert begun.wait(60)
    threading.Thread(target=server.stop, daemon=True).start()
    client.join(60)
    go.set()
    server.stop()
    ((status, _, body),) = answers
    assert (status, json.loads(body)) == (503, {"error": "The page is being closed."})


def test_a_run_is_served_and_a_model_with_its_run(model):
    run = learner(4)
    with ls.serve(run) as server:
        assert outline(server)["steps"] == run.steps.tolist()
    with ls.serve(model, images(2), run=run) as server:
        seen = outline(server)
        assert len(seen["samples"]) == seen["recorded"] + 2


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"port": -1}, "port=-1: pass a whole number to 65535"),
        ({"port": 65_536}, "port=65536"),
        ({"port": "8765"}, "port='8765'"),
        ({"port": True}, "port=True"),
        ({"host": ""}, "host='': pass the name or address"),
        ({"host": None}, "host=None"),
        ({"host": "0.0.0.0"}, "others on the network reach this page.*allow_remote=True"),
        ({"host": "::"}, "allow_remote=True"),
        ({"host": "no.such.host.invalid", "allow_remote": True}, "can't be served at no.such.host"),
        ({"host": "203.0.113.1", "allow_remote": True}, r"can't be served at 203\.0\.113\.1:0: "),
        ({"host": "a" * 300, "allow_remote": True}, "can't be served at aaa"),
    ],
)
def test_a_place_where_it_cannot_be_is_one_sentence(model, where, message):
    before = pages()
    with pytest.raises(InputError, match=message):
        ls.serve(model, images(), **where)
    assert pages() == before


def test_a_port_that_is_taken_is_one_sentence(model):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InputError, match=r"Port \d+ is taken: pass another, or 0 for any free one"),
    ):
        ls.serve(model, images(), port=taken.getsockname()[1])


def test_for_others_it_is_served_by_the_name_of_this_machine(model):
    with ls.serve(model, images(), host="0.0.0.0", allow_remote=True) as server:
        assert server.url.startswith(f"http://{socket.gethostname()}:{server.port}/?token=")
        path = server.url.partition(f":{server.port}")[2]
        assert asked(server, path, Host=f"10.1.2.3:{server.port}")[0] == 303
        assert asked(server, path, Host=f"evil.example:{server.port}")[0] == 403


@pytest.mark.parametrize("version", [4, 6])
def test_loopback_has_several_names(model, version):
    if version == 6 and not _has_ipv6():
        pytest.skip("this machine has no ::1")
    host = "::1" if version == 6 else "localhost"
    with ls.serve(model, images(), host=host) as server:
        assert server.url.startswith(f"http://{'[::1]' if version == 6 else 'localhost'}:")


def _has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda model: (model,), InputError, "A page shows a model at work: pass input"),
        (lambda model: (3, images()), ModelError, "int"),
        (lambda model: (learner(2), images()), InputError, "has its own input, and x is a"),
        (lambda model: (ls.weights(model),), InputError, "this is a Recording of weights"),
        (lambda model: (model, np.zeros((1, 5, 5, 1))), InputError, "5, 5, 1"),
    ],
    ids=["no input", "no model", "run and input", "weights", "another shape"],
)
def test_what_is_no_page_is_one_sentence(model, arguments, error, message):
    before = pages()
    with pytest.raises(error, match=message):
        ls.serve(*arguments(model))
    with pytest.raises(InputError, match="run is a Sequential: pass what open_recording"):
        ls.serve(model, images(), run=model)
    assert pages() == before


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_named(model, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{package} .*'layerscope\[page\]'"):
        ls.serve(model, images())


def send_raw(server, data):
    """What a server sends back before it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        answer = bytearray()
        with suppress(OSError):  # the server closes while there is more to be read
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                answer += part
        return bytes(answer)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /web/..\\..\\app.py HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /web/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\nx",
        b"\x16\x03\x01\x00\xee",
        b"\x00" * 1_000,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ],
    ids=range(13),
)
def test_bytes_that_are_no_request_of_a_browser_are_refused(steady, data):
    answer = send_raw(steady, data)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 405")) or not answer
    assert b"root:" not in answer
    assert b"Traceback" not in answer
    assert outline(steady)  # and the page lives


@pytest.mark.slow
def test_a_server_ends_with_its_process_whoever_forgets_it():
    code = """
import numpy as np
import layerscope as ls
from sklearn.neural_network import MLPRegressor  # of all frameworks the quickest to import
model = MLPRegressor(hidden_layer_sizes=(2,)).partial_fit(np.eye(3), [0, 1, 2])
servers = [ls.serve(model, np.zeros((1, 3), "float32")) for _ in range(3)]
print(servers[0].url)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stderr == ""
