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


def test_a_map_of_what_is_no_number_is_not_silent(look):
    pixels = [0, 0, NAN, NAN, 0, POSITIVE_INFINITY, 0, MASKED]
    silent = look("digits").page.evaluate(SILENT, [pixels, {**HEADER, "shape": [4, 1, 2]}])
    assert silent == [True, False, False, True]


COMPARED = """async (given) => {
  const { comparedPanel } = await import("/web/difference.js");
  const [one, other] = given.map(([header, pixels, low, high]) => ({ header, buffers: {
    pixels: new Uint8Array(pixels).buffer,
    low: new Float32Array(low).buffer, high: new Float32Array(high).buffer } }));
  const { header, buffers } = comparedPanel(one, other, ["a", "b"], 239);
  return [[...new Uint8Array(buffers.pixels)], header.difference, header.rounding];
}"""


def test_what_is_masked_stays_so_where_two_are_compared(look):
    header = {**HEADER, "form": "attention", "shape": [1, 1, 4]}
    one = [header, [0, 238, MASKED, NAN], [0], [1]]
    other = [header, [0, 238, MASKED, 0], [0], [1]]
    pixels, _, _ = look("digits").page.evaluate(COMPARED, [one, other])
    assert pixels == [0, 238, MASKED, NAN, 0, 238, MASKED, 0, 0, 0, MASKED, NAN]


def test_differences_are_no_larger_than_they_can_be_told(look):
    header = {**HEADER, "shape": [1, 1, 2]}
    one, other = [header, [0, 238], [0], [238]], [header, [0, 238], [0], [238.5]]
    _, reach, rounding = look("digits").page.evaluate(COMPARED, [one, other])
    assert rounding == (1 + 238.5 / 238) / 2
    assert reach == rounding


STRIP = """async ([steps, fired]) => {
  const { Activity } = await import("/web/parts/activity.js");
  const panel = (level) => {
    const levels = new Uint8Array(steps);
    for (const step of [0, fired, steps - 1]) levels[step] = level;
    return { header: { activity: [steps, 1] }, buffers: { activity: levels.buffer } };
  };
  const activity = new Activity(panel(255), -1, []);
  const context = Object.assign(document.createElement("canvas"), { width: 60, height: 9 })
    .getContext("2d");
  activity.draw(context, 0, 0, 4.5, 60);
  const blue = [...context.getImageData(0, 2, 60, 1).data].filter((_, i) => i % 4 === 2);
  return [blue, activity.goesOn(panel(255), 3), activity.at, activity.goesOn(panel(254), 4)];
}"""


def test_a_step_at_which_a_channel_fired_is_seen_among_thousands(look):
    blue, same, at, other = look("digits").page.evaluate(STRIP, [6000, 3333])
    assert [place for place, value in enumerate(blue) if value] == [0, 33, 59]
    assert (same, at, other) == (True, 3, False)


NUMBERS = """async () => {
  const { extentOf, momentsOf, nearestTo } = await import("/web/numbers.js");
  const { valueOf } = await import("/web/colours.js");
  const moments = momentsOf(Uint8Array.from([0, 238, 240]), -1, 3, 239);
  return [
    extentOf([2, NaN, -1, Infinity, 5]), extentOf([NaN]),
    extentOf([9, 1, 8, 2], 2, (i) => 2 * i + 1),
    nearestTo([0, 4, 8], 6), nearestTo([0, 4, 8], 7), nearestTo([], 1),
    moments.mean, moments.std, valueOf(119, -1, 3, 239), valueOf(241, -1, 3, 239),
  ];
}"""


def test_what_is_asked_of_numbers(look):
    result = look("digits").page.evaluate(NUMBERS)
    assert result == [[-1, 5], [0, 0], [1, 2], 1, 2, 0, 1, 2, 1, float("inf")]
