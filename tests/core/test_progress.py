from __future__ import annotations

import io
import random
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core import console, progress
from layerscope.core.progress import Bar
from layerscope.core.text import cell_width, printable


class Terminal(io.StringIO):
    """Keeps what is written, and the line that would be seen."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What stood on the last line, at each moment."""
        return [part.rstrip() for part in self.getvalue().split("\r")]

    @property
    def seen(self) -> str:
        """What stands there now: letters over letters."""
        line = ""
        for part in self.getvalue().rpartition("\n")[2].split("\r"):
            line = part + line[len(part) :]
        return line.rstrip()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    # Pytest puts its own stderr into sys between this and the test.
    streams = SimpleNamespace(stderr=stream, stdout=sys.stdout, modules=sys.modules)
    monkeypatch.setattr(console, "sys", streams)
    monkeypatch.setattr(progress, "_PAUSE", 0)
    monkeypatch.setenv("COLUMNS", "80")
    return stream


def test_how_far_it_is_and_nothing_when_it_is_done(terminal: Terminal) -> None:
    with Bar("Drawing", 4) as bar:
        assert terminal.seen == f"Drawing {'─' * 40} 0/4"
        bar.advance("0.5")
        assert terminal.seen.startswith(f"Drawing {'━' * 10}{'─' * 30} 1/4  0.5  0:0")
        bar.show(4)
        assert terminal.seen == f"Drawing {'━' * 40} 4/4  0:00:00"
    assert terminal.seen == ""
    assert "\n" not in terminal.getvalue()


def test_a_longer_line_leaves_no_trace(terminal: Terminal) -> None:
    with Bar("Drawing", 2) as bar:
        bar.advance("a long word")
        bar.show(1, 3, "x")
        assert terminal.seen.startswith(f"Drawing {'━' * 13}{'─' * 27} 1/3  x  0:0")
        assert "word" not in terminal.seen


def test_items_count_when_they_are_done(terminal: Terminal) -> None:
    with Bar("Drawing", 3) as bar:
        counted = [terminal.seen.split()[2] for _ in bar.over("abc")]
        assert counted == ["0/3", "1/3", "2/3"]
        assert terminal.seen.split()[2] == "3/3"


def test_without_a_number_it_says_what_is_done(terminal: Terminal) -> None:
    with Bar("Opening the model"):
        assert terminal.seen == "Opening the model ..."
    assert terminal.seen == ""


def test_it_is_gone_after_an_exception(terminal: Terminal) -> None:
    def interrupted() -> None:
        with Bar("Drawing", 3) as bar:
            for _ in bar.over("abc"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.seen == ""


def test_another_may_be_shown_meanwhile(terminal: Terminal) -> None:
    with Bar("Running", 3) as bar:
        with bar.hidden():
            assert terminal.seen == ""
            bar.advance()
            with Bar("Drawing", 2):
                assert terminal.seen.startswith("Drawing")
        assert terminal.seen == ""
        bar.advance()
        assert terminal.seen.split()[2] == "2/3"


def test_where_nobody_looks_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("Drawing", 3) as bar:
        bar.advance()
    assert capsys.readouterr() == ("", "")
    with Bar("Drawing", 3, shown=True) as bar:
        bar.advance()
    assert "Drawing" in capsys.readouterr().err


def test_a_terminal_may_ask_for_silence(terminal: Terminal) -> None:
    with Bar("Drawing", 3, shown=False) as bar:
        bar.advance()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["none", "closed"])
def test_without_a_stream_work_goes_on(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    for shown in (None, True):
        with Bar("Drawing", 3, shown=shown) as bar:
            bar.advance()


class Output:
    """An output of a notebook's cell: all that it showed, the last of which stays in the file."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data["text/plain"])


def test_in_a_notebook_it_is_one_output_whose_last_state_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs: list[Output] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Output:
        assert display_id
        outputs.append(Output())
        outputs[-1].update(data, raw=raw)
        return outputs[-1]

    shell = type("ZMQInteractiveShell", (), {})()
    notebook = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setattr(progress, "_PAUSE", 0)
    assert console.in_notebook()
    with Bar("Drawing\x1b[2J", 3) as bar:
        bar.advance()
        with bar.hidden():
            pass
        bar.advance()
    (output,) = outputs
    assert output.shown[0].startswith("Drawing\\x1b[2J ━") or "0/3" in output.shown[0]
    assert any("2/3" in line for line in output.shown)
    assert output.shown[-1] == ""
    assert capsys.readouterr() == ("", "")


def test_a_terminal_of_few_letters_gets_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(file, "ascii", write_through=True))
    monkeypatch.setenv("COLUMNS", "80")
    with Bar("卷积", 4, shown=True) as bar:
        bar._drawn = 0
        bar.advance()
    assert f"\\u5377\\u79ef {'#' * 10}{'-' * 30} 1/4" in file.getvalue().decode()


@given(st.text(), st.text(), st.integers(1, 200), st.integers(0, 10**9))
def test_it_is_one_harmless_line_of_a_terminal(
    what: str, note: str, columns: int, total: int
) -> None:
    bar = Bar(what, total, shown=False)
    bar.show(total // 2, note=note)
    line = bar._text(columns)
    assert line == printable(line)
    assert 0 <= cell_width(line) <= columns


def test_random_numbers_are_left_alone(terminal: Terminal) -> None:
    state = random.getstate()
    with Bar("Drawing", 3) as bar:
        bar.advance()
    assert random.getstate() == state
