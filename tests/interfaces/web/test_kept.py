"""What the page keeps of what the server sent."""

from __future__ import annotations

KEPT = """async ([address, forgets]) => {
  const { ServerHost } = await import("/web/hosts/server.js");
  const host = new ServerHost(), words = { address, sample: 0 };
  const both = [host.panel("layer", words), host.panel("layer", words)];
  if (forgets) host.forget();
  await Promise.all(both);
  const sizes = [...host._kept.entries.values()].map((entry) => entry.size);
  return [sizes.length, host._kept.bytes - sizes.reduce((sum, size) => sum + size, 0)];
}"""


def test_what_was_asked_for_twice_at_once_is_counted_once(look):
    assert look("digits").page.evaluate(KEPT, ["conv2d", False]) == [1, 0]


def test_what_was_sent_before_a_change_is_not_kept_after_it(look):
    assert look("digits").page.evaluate(KEPT, ["conv2d", True]) == [0, 0]


LET_GO = """async () => {
  const { KeptPanels } = await import("/web/hosts/kept.js");
  const kept = new KeptPanels();
  for (const name of ["a", "b"]) kept.put(name, null, 30e6);
  kept.get("a");
  kept.put("c", null, 30e6);
  return [[...kept.entries.keys()], kept.bytes, kept.get("b") === undefined, kept.get("a")];
}"""


def test_what_nobody_asked_for_the_longest_goes_first(look):
    assert look("digits").page.evaluate(LET_GO) == [["a", "c"], 60_000_000, True, None]
