"""What the page makes of the bytes of a stack: silence, masks, differences."""

from __future__ import annotations

LEVELS, MASKED, NAN, POSITIVE_INFINITY = 239, 239, 240, 241

SILENT = """async ([pixels, header]) => {
  const { Stack } = await import("/web/stack.js");
  const floats = () => new Float32Array(header.shape[0]).buffer;
  const buffers = { pixels: new Uint8Array(pixels).buffer, low: floats(), high: floats() };
  const stack = new Stack({ header, buffers }, 239);
  return Array.from({ length: stack.count }, (_, map) => stack.silent(map));
}"""

HEADER = {"form": "maps", "silences": True, "labels": [], "layer": [0, 1], "title": "a layer"}


def test_a_map_of_what_is_no_number_is_not_silent(visit):
    pixels = [0, 0, NAN, NAN, 0, POSITIVE_INFINITY, 0, MASKED]
    silent = visit("digits").page.evaluate(SILENT, [pixels, {**HEADER, "shape": [4, 1, 2]}])
    assert silent == [True, False, False, True]
