"""How the page's server answers one reader, and fifty at once.

Usage: ``python benchmarks/bench_page.py [--readers N] [--samples N] [--pause S]``.

A reader opens the page and goes through the digits network: for each of a few samples the passage,
each layer, and the panels of a unit of each, with a pause to look before each step. Readers are
threads of another process, each with a connection of its own, as browsers have; all begin at once.
What is measured is the time from a request to the last byte of its answer, of

- one reader, alone;
- fifty, who look at the same samples: each panel is computed once;
- fifty, each with samples of their own: nothing is shared, and every panel is computed.

Each on a server that has answered nothing yet. An answer other than 200 or 204 is an error. What
this page aims at: no error, and a 95th percentile of fifty under 4 times that of one.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode, urlsplit

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--samples", type=int, default=2, help="that each reader looks at")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds, on average")
    arguments = parser.parse_args()
    cases = [("one reader", 1, False)]
    cases += [(f"{arguments.readers} readers, the same samples", arguments.readers, False)]
    cases += [(f"{arguments.readers} readers, samples of their own", arguments.readers, True)]
    print("| | answers | errors | median, ms | 95 %, ms | times one reader |")
    print("| --- | --- | --- | --- | --- | --- |")
    alone = 0.0
    for name, readers, apart in cases:
        times, errors = measured(readers, arguments.samples, arguments.pause, apart)
        cuts = quantiles(times, n=20)
        alone = alone or cuts[18]
        row = f"| {name} | {len(times)} | {errors} | {cuts[9]:.1f} | {cuts[18]:.1f} "
        print(f"{row}| {cuts[18] / alone:.2f} |", flush=True)


def measured(readers: int, samples: int, pause: float, apart: bool) -> tuple[list[float], int]:
    """Return how long each answer took, in ms, and how many were errors."""
    import layerscope as ls

    model, count = network(), samples * (readers if apart else 1)
    x = np.random.default_rng(0).random((count, 28, 28, 1), dtype=np.float32)
    ls.activations(model, x[:1])  # the framework's own start belongs to nobody
    with ls.serve(model, x) as server:
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        arguments = (server.url, readers, samples, pause, apart, queue)
        process = context.Process(target=read_at_once, args=arguments)
        process.start()
        times, errors = queue.get()
        process.join()
    return times, errors


def network() -> Any:
    """The digits network of the tutorials."""
    import keras
    from keras import layers

    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


def read_at_once(
    url: str, readers: int, samples: int, pause: float, apart: bool, queue: Any
) -> None:
    """Let readers go through the page side by side; put what they measured into the queue."""
    results: list[tuple[float, bool]] = []
    begin = threading.Barrier(readers)

    def read(number: int) -> None:
        first = number * samples if apart else 0
        begin.wait()
        results.extend(walk(url, range(first, first + samples), pause, random.Random(number)))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(([seconds * 1000 for seconds, _ in results], sum(not good for _, good in results)))


def walk(
    url: str, samples: range, pause: float, chance: random.Random
) -> Iterator[tuple[float, bool]]:
    """Go through the page; yield of each answer how long it took, and whether it was one."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)
    connection.request("GET", f"/?{address.query}")
    answer = connection.getresponse()
    answer.read()
    cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]

    def ask(path: str) -> tuple[float, bool, bytes]:
        start = time.perf_counter()
        headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
        return time.perf_counter() - start, answer.status in (200, 204), data

    seconds, good, data = ask("/api/outline")
    yield seconds, good
    outline = json.loads(gzip.decompress(data))
    for sample in samples:
        for panels in steps(outline, sample):
            time.sleep(chance.uniform(0.5, 1.5) * pause)
            for path in panels:
                seconds, good, _ = ask(path)
                yield seconds, good
    connection.close()


def steps(outline: Any, sample: int) -> Iterator[list[str]]:
    """Yield what a page asks for at each step of a reader's way."""
    yield [panel("passage", sample=sample)]
    for layer in outline["layers"]:
        yield [panel("layer", sample=sample, address=layer["address"])]
        unit = f"{layer['address']}:{min(3, layer['units'] - 1)}"
        if layer["units"]:
            of_unit = [entry["name"] for entry in outline["unit_panels"]]
            yield [panel(f"unit.{name}", sample=sample, address=unit) for name in of_unit]


def panel(name: str, **words: Any) -> str:
    """Return the address of a panel."""
    return f"/api/panel/{name}?{urlencode(words)}"


if __name__ == "__main__":
    main()
