"""``layerscope open``, as a person runs it: the address it prints, Ctrl-C, and what it refuses."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import webbrowser

import numpy as np
import pytest

pytest.importorskip("starlette")

import layerscope
from cases.stored_runs import recorded
from layerscope.interfaces.cli import open as open_command
from layerscope.interfaces.server import browser
from layerscope.interfaces.server.serve import Server

COMMAND = [sys.executable, "-c", "from layerscope.interfaces.cli import run; run()", "open"]


@pytest.fixture
def started(tmp_path):
    """Starts the command in a process of its own; all are ended with the test."""
    processes = []

    def start(*argv):
        env = {**os.environ, "PYTHONUNBUFFERED": "", "BROWSER": ""}
        processes.append(
            subprocess.Popen(
                [*COMMAND, *map(str, argv)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=env,
                cwd=tmp_path,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def asked(port, path, cookie=""):
    """The status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.slow
def test_a_person_opens_the_page_and_ends_it(started, shell, tiny, image):
    process = started(tiny, image, "--no-browser", "--input-range", "-1,1")
    url = process.stdout.readline().strip()
    start, _, path = url.removeprefix("http://").partition("/")
    host, _, port = start.partition(":")
    assert host == "127.0.0.1"
    assert asked(int(port), "/")[0] == 403
    status, headers, _ = asked(int(port), f"/{path}")
    assert status == 303
    cookie = headers["set-cookie"].partition(";")[0]
    status, _, body = asked(int(port), "/api/outline", cookie)
    outline = json.loads(body)
    assert outline["title"] == "tiny"
    assert outline["samples"][0]["name"] == "photo.png"
    # Its port is taken meanwhile, which another one says in a sentence.
    assert shell("open", tiny, image, "--no-browser", "--port", port) == (
        2,
        "",
        f"layerscope: error: Port {port} is taken: pass another, or 0 for any free one.\n",
    )
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "layerscope: the page is closed.\n"


@pytest.fixture
def served(monkeypatch):
    """Runs the command until it waits, and presses Ctrl-C; what the page outlined meanwhile."""
    seen, opened = [], []

    def wait(self):
        seen.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "wait", wait)
    monkeypatch.setattr(browser, "open_browser", opened.append)
    return seen, opened


def test_it_prints_one_line_and_opens_a_browser_with_an_address_for_once(
    shell, tiny, image, served
):
    seen, opened = served
    code, out, err = shell("open", tiny, image)
    assert (code, err) == (130, "layerscope: the page is closed.\n")
    assert out == f"{seen[0].url}\n"
    assert len(opened) == 1
    assert opened[0].partition("=")[0] == out.partition("=")[0]
    assert opened[0] != out.strip()
    assert not seen[0].running


def test_a_page_opens_no_browser_where_that_is_not_meant(shell, tiny, image, served):
    assert shell("open", tiny, image, "--no-browser")[0] == 130
    assert served[1] == []


def test_a_recording_has_its_own_page(shell, tmp_path, served):
    run = tmp_path / "run.zarr"
    recorded(run, 3).close()
    assert shell("open", run, "--no-browser")[0] == 130


def test_a_model_has_its_training_another_model_and_names_beside_it(
    shell, tiny, image, tmp_path, served, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        "layerscope.interfaces.serve.server_of",
        lambda subject, **where: seen.append(subject) or Server(subject, **where),
    )
    recorded(tmp_path / "run.zarr", 2).close()
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    beside = ("--run", tmp_path / "run.zarr", "--against", tiny, "--classes", names)
    assert shell("open", tiny, image, *beside)[0] == 130
    (subject,) = seen
    assert subject.classes == tuple("abcde")
    assert subject.against is not None
    assert len(subject.outline()["steps"]) == 2
    assert subject.names[-1] == "photo.png"


def test_two_models_of_one_architecture_are_compared(shell, tiny, image, served):
    assert shell("open", tiny, image, "--against", tiny, "--no-browser")[0] == 130


def test_models_that_differ_are_one_sentence_and_no_page(shell, tiny, image, served):
    keras = pytest.importorskip("keras")
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(name="flat")])
    other.save("other.keras")
    code, out, err = shell("open", tiny, image, "--against", "other.keras")
    assert (code, out) == (2, "")
    assert "The models can't be compared: layer" in err
    assert "'flat', Flatten" in err
    assert len(err.splitlines()) == 1
    assert served == ([], [])


def test_a_port_and_a_host_are_those_named(shell, tiny, image, served):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _, out, _ = shell("open", tiny, image, "--host", "localhost", "--port", port)
    assert out.startswith(f"http://localhost:{port}/?token=")
    _, out, _ = shell("open", tiny, image, "--host", "0.0.0.0", "--allow-remote")
    assert out.startswith(f"http://{socket.gethostname()}:")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{tiny}"], "There is no INPUT to run"),
        (["{tiny}", "nothing.png"], "nothing.png"),
        (["nothing.keras", "noise"], "There is no file 'nothing.keras'"),
        (
            ["run.zarr", "noise"],
            "'run.zarr' is a recording and has its own input: leave out 'noise'",
        ),
        (["run.zarr", "--run", "other.zarr"], "leave out 'other.zarr', or name the model first"),
        (["run.zarr"], "run.zarr"),
        (["{tiny}", "--run", "{tiny}"], "tiny.keras"),
        (["run.zarr", "--against", "other.keras"], "leave out 'other.keras'"),
        (["{tiny}", "noise", "--against", "other.keras"], "There is no file 'other.keras'"),
        (["{tiny}", "noise", "--host", "0.0.0.0"], "others on the network reach this page"),
        (["{tiny}", "noise", "--port", "70000"], "port=70000: pass a whole number to 65535"),
        (["{tiny}", "noise", "--port", "-1"], "--port"),
        (["{tiny}", "noise", "--port", "x"], "'x': write a whole number from 0 up"),
        (["{tiny}", "wrong.npy"], "x has shape (1, 7, 7, 3), the model expects"),
        (["{tiny}", "noise", "--host", ""], "host=''"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_no_page_is_one_sentence(shell, tiny, served, argv, message):
    np.save("wrong.npy", np.zeros((1, 7, 7, 3), np.float32))
    code, out, err = shell("open", *[word.format(tiny=tiny) for word in argv])
    assert (code, out) == (2, "")
    assert err.startswith("layerscope")
    assert message in err
    assert len(err.splitlines()) == 1
    assert served == ([], [])


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_named_before_a_model_is_opened(shell, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = shell("open", "nothing.keras", "noise")
    expected = f"layerscope: error: {package} is not installed: pip install 'layerscope[page]'.\n"
    assert (code, err) == (2, expected)


class Controller(webbrowser.BaseBrowser):
    """A browser that notes what it opens."""

    def __init__(self):
        super().__init__()
        self.opened = []

    def open(self, url, new=0, autoraise=True):
        self.opened.append(url)
        return True


@pytest.mark.parametrize(
    ("environment", "controller", "opens"),
    [
        ({}, Controller(), False),  # nobody sits here
        ({"DISPLAY": ":0"}, Controller(), True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, Controller(), True),
        ({"DISPLAY": ":0"}, webbrowser.GenericBrowser("lynx"), False),  # it would fill the terminal
        ({"BROWSER": "lynx"}, webbrowser.GenericBrowser("lynx"), True),  # that was asked for
        ({"DISPLAY": ":0"}, webbrowser.Error("none"), False),
    ],
    ids=["nobody", "x11", "wayland", "terminal", "named", "none"],
)
def test_a_browser_is_opened_where_there_is_one_with_a_window(
    monkeypatch, environment, controller, opens
):
    opened = []

    def get():
        if isinstance(controller, Exception):
            raise controller
        return controller

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "get", get)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    thread = browser.open_browser("http://127.0.0.1:1/?token=x")
    assert (thread is not None) == opens
    if thread is not None:
        thread.join(60)
    assert opened == ["http://127.0.0.1:1/?token=x"] * opens


def test_the_lines_of_python_are_those_of_the_command(tiny, image):
    from layerscope.interfaces.cli import command_parser

    argv = ["open", tiny, image, "--input-range=-1,1", "--trust", "--run", "run.zarr"]
    code = open_command._code(command_parser().parse_args(argv), "run.zarr")
    assert code["model"] == f"model = ls.load_model({tiny!r}, trust=True)"
    assert code["run"] == "run = ls.open_recording('run.zarr')"
    names = {"ls": layerscope}
    exec("\n".join([code["model"], code["acts"]]), names)
    assert names["acts"].input.values.min() < 0
