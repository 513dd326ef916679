"""What the page keeps of what the server sent."""

from __future__ import annotations

KEPT = """async ([address, forgets]) => {
  const { ServerHost } = await import("/web/hosts/server.js");
  const host = new ServerHost(), words = { address, sample: 0 };
  const both = [host.panel("layer", words), host.panel("layer", words)];
  if (forgets) host.forget();
  await Promise.all(both);
  const sizes = [...host._kept.values()].map((entry) => entry.size);
  return [sizes.length, host._bytes - sizes.reduce((sum, size) => sum + size, 0)];
}"""


def test_what_was_asked_for_twice_at_once_is_counted_once(look):
    assert look("digits").page.evaluate(KEPT, ["conv2d", False]) == [1, 0]


def test_what_was_sent_before_a_change_is_not_kept_after_it(look):
    assert look("digits").page.evaluate(KEPT, ["conv2d", True]) == [0, 0]
