import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

TEXT = "{http://www.w3.org/2000/svg}text"


def texts(path):
    return [element.text for element in ET.parse(path).getroot().iter(TEXT)]


def test_the_architecture_is_one_picture_named_after_the_model(shell, tiny):
    assert shell("diagram", tiny) == (0, "Written to tiny.svg\n", "")
    assert [path.name for path in Path().iterdir()] == ["tiny.svg"]
    assert {"tiny", "first", "pool", "flat", "out"} <= set(texts("tiny.svg"))


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_written_where_asked(shell, tiny, kind):
    assert shell("diagram", tiny, "-o", f"net.{kind}") == (0, f"Written to net.{kind}\n", "")
    begins = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}[kind]
    assert Path(f"net.{kind}").read_bytes().startswith(begins)


def test_with_an_input_each_box_carries_a_map(shell, tiny, image):
    code, out, err = shell("diagram", tiny, image, "--unit", "1")
    assert (code, err) == (0, "")
    assert out.endswith("Written to tiny.svg\n")
    assert Path("tiny.svg").read_text().count("<image ") == 5  # the input, and four layers
    assert "channel 1 of 4" in texts("tiny.svg")


def test_a_file_that_is_there_is_kept(shell, tiny):
    Path("tiny.svg").write_text("mine")
    code, out, err = shell("diagram", tiny)
    assert (code, out) == (2, "")
    assert err == (
        "layerscope: error: There is a file 'tiny.svg' already: name another, or pass --force.\n"
    )
    assert Path("tiny.svg").read_text() == "mine"
    assert shell("diagram", tiny, "--force")[0] == 0
    assert Path("tiny.svg").read_text().startswith("<svg")


def test_every_option(shell, tiny):
    code, _, err = shell(
        *("diagram", tiny, "-o", "a.png", "--style", "horizontal", "--depth", "1", "--no-collapse"),
        *("--no-shapes", "--no-names", "--palette", "gray", "--ground", "dark"),
    )
    assert (code, err) == (0, "")
    with Image.open("a.png") as picture:
        assert picture.width > picture.height
        assert picture.getpixel((2, 2)) == (18, 18, 22)
    assert shell("diagram", tiny, "-o", "b.svg", "--style", "volume")[0] == 0
    assert "first" in texts("b.svg")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-o", "net.jpg"], "'net.jpg' ends in none of .svg, .png, .pdf: name a file that does."),
        (
            ["-o", "absent/net.svg"],
            "'absent/net.svg' can't be written (No such file or directory).",
        ),
        (["--expand", "nothing*"], "There is no block 'nothing*' to expand: there are none."),
        (["--palette", "viridi"], "There is no palette 'viridi': did you mean"),
        (["none.png"], "There is no file 'none.png'."),
        (["--style", "x"], "'x' is none of vertical, horizontal, volume"),
        (["--depth", "-1"], "argument --depth"),
        (["--unit", "one"], "argument --unit"),
    ],
)
def test_nonsense_is_one_sentence(shell, tiny, argv, message):
    code, out, err = shell("diagram", tiny, *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not list(Path().iterdir())
