"""Takes the pictures of the page for its documentation: ``python docs/make_page_images.py [NAME]``.

Each network is served as ``serve`` serves it, and looked at in Debian's Chromium, light and dark.
``--all`` also keeps those that the documentation does not show, in the folder ``page-images``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import layerscope as ls
from layerscope.interfaces.cli import main

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images" / "page"
REAL = ROOT.parent / "shared" / "real"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LARGEST = 150_000  #: bytes of a picture
SIZE = {"width": 1280, "height": 800}
_SETTLED = """async () => {
  const frames = async (n) => { while (n--) await new Promise((r) => requestAnimationFrame(r)); };
  const ready = () => performance.getEntriesByName("layerscope.ready").length;
  do await frames(20); while (!ready() || document.querySelector('[aria-busy="true"]'));
}"""


def digits(folder: Path) -> Any:
    """The demo's network with the recording of its training."""
    demo = folder / "demo"
    assert main(["demo", "--out", str(demo)]) == 0
    run = ls.open_recording(demo / "training.zarr")
    return ls.serve(ls.load_model(demo / "digits.keras"), "digits:3", run=run)


def faces(folder: Path) -> Any:
    """A network of 2017 that tells emotions, on a face."""
    image = Image.open(REAL / "images" / "astronaut.png").crop((150, 20, 300, 170))
    image.save(folder / "face.png")
    file = next((REAL / "emotion_checkpoints").glob("*110*"))
    x = [str(folder / "face.png"), str(REAL / "images" / "camera.png")]
    return ls.serve(ls.load_model(file), x, classes=EMOTIONS, input_range=(-1, 1))


def inception(folder: Path) -> Any:
    """InceptionV3; its weights are random, since none are at hand."""
    import keras

    keras.utils.set_random_seed(1)
    images = [str(REAL / "images" / name) for name in ("chelsea.png", "coffee.png")]
    return ls.serve(keras.applications.InceptionV3(weights=None), images, input_range=(-1, 1))


def residual(folder: Path) -> Any:
    """A residual network of PyTorch, trained on CIFAR-10 by its author."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.more = after - before

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            if self.more:
                half = self.more // 2
                x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
            return torch.relu(y + x)

    class ResNet20(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            widths = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
            for i, (before, after, stride) in enumerate(widths, 1):
                first = Block(before, after, stride)
                blocks = [first, Block(after, after, 1), Block(after, after, 1)]
                setattr(self, f"layer{i}", nn.Sequential(*blocks))
            self.linear = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.bn1(self.conv1(x)))
            x = self.layer3(self.layer2(self.layer1(x)))
            return self.linear(x.mean((2, 3)))

    model = ResNet20()
    file = torch.load(REAL / "others" / "resnet20-12fca82f.th", map_location="cpu")
    state = {key.removeprefix("module."): value for key, value in file["state_dict"].items()}
    model.load_state_dict(state)
    names = [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    ]  # fmt: skip
    images = [str(REAL / "images" / name) for name in ("horse.png", "chelsea.png", "astronaut.png")]
    reading: dict[str, Any] = {"input_range": (-2, 2), "size": (32, 32)}
    return ls.serve(model.eval(), images, classes=names, **reading)


def perceptron(folder: Path) -> Any:
    """A perceptron of scikit-learn on its digits."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    model = MLPClassifier((48, 24), max_iter=150, random_state=0).fit(data.data / 16, data.target)
    return ls.serve(model, data.data[:10] / 16)


def transformer(folder: Path) -> Any:
    """A small transformer for sequences."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(2)
    tokens = keras.Input((24,), dtype="int32", name="tokens")
    x = layers.Embedding(100, 32)(tokens)
    for _ in range(2):
        y = layers.MultiHeadAttention(4, 8)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, y]))
        y = layers.Dense(32)(layers.Dense(64, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    answer = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(tokens, answer, name="transformer")
    return ls.serve(model, np.random.default_rng(0).integers(0, 100, (3, 24)))


def audio(folder: Path) -> Any:
    """Basic Pitch, which hears notes, on a tone of 440 Hz."""
    time = np.arange(43844) / 22050
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None, :, None]
    return ls.serve(ls.load_model(REAL / "others" / "basic_pitch_nmp.onnx"), tone)


#: By name: what is served, and the views to look at.
PAGES: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "digits": (digits, ("conv2d_1?step=6&sample=3", "conv2d_1:44?sample=3",
                        "conv2d_1?sample=3&against=sample:8&order=difference")),
    "faces": (faces, ("activation_1", "conv2d_7:3")),
    "inception": (inception, ("mixed2", "mixed4:3")),
    "residual": (residual, ("layer1.0", "linear")),
    "perceptron": (perceptron, ("hidden_0", "hidden_0:3", "output")),
    "transformer": (transformer, ("multi_head_attention/attention", "embedding")),
    "audio": (audio, ("Relu__35", "input")),
}  # fmt: skip
#: Those that the documentation shows: name, number of the view, ground.
SHOWN = {
    ("digits", 0, "light"), ("digits", 1, "dark"), ("digits", 2, "light"), ("faces", 0, "dark"),
    ("inception", 0, "light"), ("residual", 0, "dark"), ("perceptron", 1, "light"),
    ("transformer", 0, "dark"), ("audio", 0, "light"),
}  # fmt: skip


def make_images(names: list[str], everything: bool) -> None:
    """Write the pictures of these networks."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name in names:
            make, views = PAGES[name]
            with make(Path(folder)) as server:
                for ground in ("light", "dark"):
                    take(browser, server.url, name, views, ground, everything)
        browser.close()


def take(
    browser: Browser, url: str, name: str, views: tuple[str, ...], ground: str, everything: bool
) -> None:
    """Take the pictures of one network on one ground."""
    context = browser.new_context(viewport=SIZE, color_scheme=ground)
    context.add_init_script("localStorage.setItem('layerscope-hints-seen', 'yes')")
    page = context.new_page()
    page.on("console", lambda message: sys.stderr.write(f"{name}: {message.text}\n"))
    page.on("pageerror", lambda error: sys.stderr.write(f"{name}: {error}\n"))
    page.goto(url)
    for number, view in enumerate(views):
        page.evaluate("(view) => { location.hash = '#/' + view; }", view)
        page.wait_for_timeout(300)
        page.evaluate(_SETTLED)
        shot = Path(page.screenshot(path="shot.png") and "shot.png")
        if (name, number, ground) in SHOWN:
            save(Image.open(shot).convert("RGB"), IMAGES / f"{name}-{number}.png")
        if everything:
            folder = Path("page-images")
            folder.mkdir(exist_ok=True)
            shutil.copy(shot, folder / f"{name}-{number}-{ground}.png")
        shot.unlink()
    context.close()


def save(image: Image.Image, path: Path) -> None:
    """Write a picture of few colours, of fewer where it would be a large file."""
    for colours in (256, 128, 64):
        small = image.quantize(colours, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        if path.stat().st_size <= LARGEST:
            return


if __name__ == "__main__":
    words = sys.argv[1:]
    make_images([word for word in words if word != "--all"] or list(PAGES), "--all" in words)
