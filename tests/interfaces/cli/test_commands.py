import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import layerscope
from layerscope.backends.keras import digits_network
from layerscope.core.errors import InputError
from layerscope.core.network import from_json
from layerscope.interfaces import cli
from layerscope.interfaces.cli import command_parser, demo, main
from layerscope.interfaces.cli import describe as describe_command
from layerscope.interfaces.cli.output import claim_folder, file_name, safe
from layerscope.interfaces.cli.whole_layers import _names

COMMANDS = list(command_parser().commands)


def test_describe_prints_the_table(shell, tiny):
    code, out, err = shell("describe", tiny)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("tiny (Keras")
    assert "Parameters: 1,737" in out


def test_describe_prints_json(shell, tiny):
    code, out, err = shell("describe", tiny, "--json")
    assert (code, err) == (0, "")
    network = json.loads(out)
    assert [layer["address"] for layer in network["layers"]][-3:] == ["pool", "flat", "out"]
    assert network["totals"]["total"] == 1_737
    assert from_json(network).name == "tiny"


def test_weights_writes_every_kernel(shell, tiny):
    code, out, err = shell("weights", tiny)
    assert (code, err) == (0, "")
    folder = Path("layerscope-tiny-weights")
    assert sorted(path.name for path in folder.iterdir()) == [
        "01-first_kernel.png",
        "02-out_kernel.png",
        "summary.csv",
    ]
    assert "first/kernel" in out
    assert "first/bias" in out
    assert "blank" not in out


def test_version_and_help(shell):
    assert shell("--version") == (0, f"layerscope {layerscope.__version__}\n", "")
    code, out, _ = shell("--help")
    assert code == 0
    assert all(command in out for command in ("look", "describe", "weights", "demo"))
    for command in ("look", "describe", "weights", "demo"):
        assert shell(command, "--help")[0] == 0


@pytest.mark.parametrize("argv", [[], ["help"]])
def test_an_overview_without_a_command(shell, argv):
    code, out, err = shell(*argv)
    assert (code, err) == (0, "")
    assert out == shell("--help")[1]
    assert "layerscope demo" in out


def test_help_on_a_command(shell):
    assert shell("help", "film") == shell("film", "--help")
    code, _, err = shell("help", "flim")
    assert (code, err) == (
        2,
        "layerscope: error: There is no command 'flim': did you mean 'film'?\n",
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["loook"], "layerscope: error: there is no command 'loook': did you mean 'look'?"),
        (["quatsch"], "no command 'quatsch': 'layerscope help' lists them."),
        (["look", "a", "b", "--layer", "c"], "no option --layer: did you mean --layers"),
        (["look", "a", "b", "--layer=c"], "no option --layer: did you mean --layers"),
        (
            ["weights", "a", "--layers", "c"],
            "no option --layers here: it is one of look, survey, compare and record",
        ),
        (["look", "a", "--quatsch"], "no option --quatsch: 'layerscope look --help' lists those"),
        (["--vers"], "layerscope: error: there is no option --vers: did you mean --version?"),
        (["look", "a", "--out", "x", "b"], "b (inputs stand together, before the options)"),
        (["look", "a", "b", "--resize", "strech"], "'strech' is none of stretch, crop, pad; did"),
    ],
)
def test_what_is_not_known_has_a_neighbour(shell, argv, message):
    code, _, err = shell(*argv)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_every_command_helps_on_a_terminal_of_few_letters(encoding, monkeypatch):
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    for command in ([], ["look", "--help"], *(["help", name] for name in COMMANDS)):
        assert main(command) == 0
    sys.stdout.flush()
    text = file.getvalue().decode(encoding)
    assert "vectors of HxW values" in text or "vectors of H×W values" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_table_on_a_terminal_of_few_letters(shell, tiny, encoding, monkeypatch):
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    assert main(["describe", tiny]) == 0
    sys.stdout.flush()
    lines = file.getvalue().decode(encoding).splitlines()
    assert any(set(line) == {"-"} for line in lines)


@pytest.mark.slow
def test_the_package_is_the_shell_too():
    done = subprocess.run(
        [sys.executable, "-m", "layerscope", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"layerscope {layerscope.__version__}\n"


@pytest.mark.parametrize("argv", [["loook"], ["look"], ["describe", "a", "--colour"]])
def test_a_command_that_cannot_be_read(shell, argv):
    code, _, err = shell(*argv)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert err.startswith("layerscope")


def test_ctrl_c_is_one_line(shell, tiny, monkeypatch):
    def stop(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(describe_command, "_run", stop)
    code, out, err = shell("describe", tiny)
    assert (code, out) == (130, "")
    assert err == "layerscope: stopped; the files written so far are complete.\n"


@pytest.mark.slow
def test_a_pipe_that_closes_is_no_error(tiny):
    command = f"{sys.executable} -c 'from layerscope.interfaces.cli import run; run()' describe "
    done = subprocess.run(
        ["bash", "-c", f"{command} {tiny} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        check=False,
    )
    assert done.returncode in (0, cli._PIPE_CLOSED)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_file_is_whole_or_not_there(tmp_path):
    output = claim_folder(tmp_path / "out")

    def save(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        output.write("a.png", save)
    assert list((tmp_path / "out").iterdir()) == []


def test_file_names_are_safe_and_unique():
    assert file_name(3, 40, "block1/conv#2") == "03-block1_conv_2.png"
    assert file_name(7, 1000, "x") == "0007-x.png"
    assert len(file_name(1, 1, "long" * 100)) < 100
    assert safe("../../etc") == "etc"
    assert safe("…") == "model"


@pytest.mark.slow
def test_the_demo_trains_and_looks(shell):
    pytest.importorskip("sklearn")
    code, out, err = shell("demo", "--epochs", "1", "--out", "demo")
    assert (code, err) == (0, "")
    written = {path.name for path in Path("demo").iterdir()}
    assert written >= {
        "digits.keras",
        "digit.png",
        "00-input.png",
        "01-conv2d.png",
        "pages-01.png",
        "across-channel-5.png",
        "kernels-conv2d.png",
        "kernels-conv2d_1.png",
        "summary.csv",
    }
    assert "of the digits held out are recognised" in out
    assert "Written to demo/. Open first:" in out
    files, _, page = out.partition("Open first:")[2].partition("All of it on one page")
    for line in files.strip().splitlines():
        assert line.split()[0] in written
    assert page.strip().endswith("layerscope open demo/digits.keras --run demo/training.zarr")
    assert shell("describe", "demo/digits.keras")[1].count("34,826") >= 1
    assert shell("demo", "--out", "demo")[0] == 2


def test_the_demo_says_before_it_trains_that_no_page_can_be_opened(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    code, _, err = shell("demo", "--open")
    assert code == 2
    assert "starlette is not installed: pip install 'layerscope[page]'" in err
    assert not Path("layerscope-demo").exists()


@pytest.mark.parametrize(
    ("answer", "opens"), [("", True), ("y", True), ("n", False), (None, False)]
)
def test_the_demo_asks_only_somebody_at_a_terminal(monkeypatch, answer, opens):
    pytest.importorskip("starlette")
    asked = []

    def reply(prompt):
        asked.append(prompt)
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", reply)
    assert not demo._asked()
    assert asked == []
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert demo._asked() is opens
    assert len(asked) == 1


def test_the_demo_says_what_is_missing(shell, monkeypatch):
    monkeypatch.setattr(digits_network, "installed", lambda package: False)
    code, _, err = shell("demo")
    assert code == 2
    assert "which is not installed: pip install 'layerscope[demo]'" in err
    assert not Path("layerscope-demo").exists()


def test_mnist_without_a_network(shell, monkeypatch):
    keras = pytest.importorskip("keras")

    def unreachable():
        raise Exception("URL fetch failure on\nhttps://somewhere: None")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", unreachable)
    with pytest.raises(InputError):
        digits_network.load("mnist")
    code, _, err = shell("demo", "--dataset", "mnist")
    assert code == 2
    assert "MNIST is not on this machine and can't be fetched (URL fetch failure on https" in err
    assert "try --dataset digits, which needs no network" in err


@pytest.mark.parametrize("name", ["con", "NUL", "aux.conv", "com1"])
def test_no_file_is_called_as_a_device(name):
    assert safe(name) == f"_{name}"


@pytest.mark.parametrize(
    "layers",
    [
        ["a", "a-curves"],
        ["a-curves", "a"],
        ["A", "a", "a/", "b/c", "b_c", "B_c"],
        ["\x1b", "卷", "层"],
    ],
)
def test_no_layer_s_files_are_another_s(layers):
    names = _names(layers)
    assert list(names) == layers
    files = {f"{n}{end}".lower() for n in names.values() for end in ("", ".png", "-curves.png")}
    assert len(files) == 3 * len(layers)
