"""Which layers to keep: the one place that reads ``layers=``."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from layerscope.core.addresses import unknown_address
from layerscope.core.errors import AddressError
from layerscope.core.network import Layer, Network

_GLOB = frozenset("*?[")

Matcher = Callable[[Layer, int], bool]


@dataclass(frozen=True)
class Selection:
    """Which of a network's values to keep, decided one by one as they are computed.

    An *exact* address also selects a container whose last layer returns the same value; nothing
    else does, so that no value is kept twice unasked.
    """

    written: Any = None  #: what the user passed
    exact: frozenset[str] = frozenset()
    matchers: tuple[Matcher, ...] = ()
    globs: tuple[Matcher, ...] = ()  #: those of the matchers that a container's name can match
    everything: bool = False
    last_position: int | None = None  #: no matcher can match at a later one; None: not known
    expected: frozenset[str] | None = None  #: all that will be selected, where that is known
    deferred: bool = False  #: it counts from the end: keep everything, and select again afterwards
    hidden: frozenset[str] = field(default=frozenset())  #: exact ones nobody needs to find

    def wants(self, layer: Layer, position: int) -> bool:
        """Return whether to keep this value, the ``position``-th of the pass."""
        if self.everything or layer.address in self.exact:
            return True
        return any(matches(layer, position) for matches in self.matchers)

    def wants_inside(self, address: str, *, calls: bool = False) -> bool:
        """Return whether to keep what runs inside a loop: only where its address is asked for.

        With ``calls`` also where one of its calls after the first is.
        """
        if address in self.exact or (calls and any(map(_calls_after(address), self.exact))):
            return True
        inside = Layer(address, "", "operation")
        return any(matches(inside, 0) for matches in self.globs)

    def wants_handed_on(
        self, layer: Layer, position: int | None, *, listed: bool, is_kept: bool
    ) -> bool:
        """Return whether to keep, under a container's name, the value that it hands on.

        ``position`` is None for a container that is no row of the network: then only a glob, or
        its exact address, finds it. One that is not ``listed`` is found only where the value is not
        kept under the name of the layer that it comes from.
        """
        if layer.address in self.exact:
            return True
        if listed and position is not None:
            return self.wants(layer, position)
        matchers = self.globs if position is None else self.matchers
        place = 0 if position is None else position
        return not is_kept and any(match(layer, place) for match in matchers)

    def is_complete(self, kept: Collection[str], position: int) -> bool:
        """Return whether nothing that comes after this position can be selected."""
        if self.everything:
            return False
        if self.expected is not None:
            return all(address in kept for address in self.expected)
        if not all(address in kept for address in self.exact - self.hidden):
            return False
        if not self.matchers:
            return True
        return self.last_position is not None and position >= self.last_position

    def check(self, kept: Collection[str], known: Iterable[str]) -> None:
        """Raise AddressError for an address that did not occur, or where nothing matched."""
        for address in sorted(self.exact - self.hidden):
            layer = address.partition(":")[0]
            if address not in kept and layer != address and layer in known:
                raise AddressError(
                    f"{address!r} is a part of {layer!r}, and whole layers are selected: name "
                    f"{layer!r}, and read its units by their address from the recording."
                )
            if address not in kept:
                raise unknown_address(address, list(known))
        if not kept and not self.everything and not self.hidden:
            known = list(known)
            raise AddressError(
                f"No layer matches layers={self.written!r}: "
                f"the layers are {', '.join(map(repr, list(known)[:12]))}"
                + (f" and {len(known) - 12} more." if len(known) > 12 else ".")
            )


def select(
    layers: Any,
    address_of: Callable[[Any], str | None],
    static: Iterable[Layer] | None = None,
    *,
    inputs: Iterable[str] = (),
) -> Selection:
    """Read ``layers=``.

    Parameters
    ----------
    layers
        None (all of them), an address, a glob, an index or a slice in execution order, one of the
        framework's own layer objects, a predicate on :class:`Layer`, or a list of these.
    address_of
        The backend's: the address of a layer object, None for anything else.
    static
        The layers in execution order where they are known before the pass; then the pass can stop
        as soon as the last one selected has been computed.
    inputs
        The addresses of input layers: they are always at hand, and nothing needs to be computed.
    """
    if layers is None:
        return Selection(everything=True)
    items = list(layers) if isinstance(layers, list | tuple | set | frozenset) else [layers]
    known = None if static is None else list(static)
    given = {*inputs, *(layer.address for layer in known or () if layer.role == "input")}
    exact: set[str] = set()
    matchers: list[Matcher] = []
    globs: list[Matcher] = []
    last: list[int | None] = []
    for item in items:
        address = address_of(item)
        if address is not None:
            exact.add(address)
            matchers.append(_calls_of(address))
            last.append(None)
        elif isinstance(item, str):
            if _is_glob(item, known):
                globs.append(_glob(item))
                matchers.append(globs[-1])
                last.append(None)
            else:
                exact.add(item)
        elif isinstance(item, int | slice) and not isinstance(item, bool):
            matcher, end = _positions(item, None if known is None else len(known))
            matchers.append(matcher)
            last.append(end)
        elif callable(item):
            matchers.append(_predicate(item))
            last.append(None)
        else:
            raise AddressError(
                f"layers= got {item!r} ({type(item).__name__}): pass an address, a glob, an index, "
                "a slice, a layer of this model, a predicate on Layer, or a list of these."
            )
    if known is None and any(map(_counts_from_end, items)):
        return Selection(written=layers, everything=True, deferred=True)
    selection = Selection(
        written=layers,
        exact=frozenset(exact),
        matchers=tuple(matchers),
        globs=tuple(globs),
        last_position=None if None in last else max((p for p in last if p is not None), default=-1),
        hidden=frozenset(given & exact),
    )
    if known is None:
        return selection
    addresses = {layer.address for layer in known}
    if not exact <= addresses:  # a container's own address: known only as it is called
        return selection
    if globs and any(layer.kind == "recurrent" for layer in known):
        return selection  # they may match its states, which are no layers
    wanted = {layer.address for i, layer in enumerate(known) if selection.wants(layer, i)}
    if globs and not wanted:  # they may match what is in a loop
        return selection
    # What stands for an input is found, though there is nothing to compute for it.
    return replace(
        selection, expected=frozenset(wanted - given), hidden=frozenset((wanted | exact) & given)
    )


def matching(network: Network, recorded: Sequence[str], layers: Any) -> list[str]:
    """Return the addresses among those recorded that ``layers=`` names; all of them for None.

    Raises
    ------
    AddressError
        When one of them was not recorded, or nothing matches.
    """
    if layers is None:
        return list(recorded)
    by_address = {layer.address: layer for layer in network}
    known = [by_address.get(address, Layer(address, "?")) for address in recorded]
    selection = select(layers, lambda item: None, known)
    kept = [layer.address for i, layer in enumerate(known) if selection.wants(layer, i)]
    selection.check(kept, list(recorded))
    return kept


def _is_glob(text: str, known: list[Layer] | None) -> bool:
    if not _GLOB & set(text):
        return False
    if known is not None and any(layer.address == text for layer in known):
        return False
    # ``lstm[1]`` and ``head[boxes]`` name one of several values; they are no character classes.
    return not (text.endswith("]") and "*" not in text and "?" not in text)


def _glob(pattern: str) -> Matcher:
    # Only * and ? are wild: brackets are part of addresses.
    literal = pattern.replace("[", "[[]")
    return lambda layer, _: fnmatch.fnmatchcase(layer.address, literal)


def _calls_of(address: str) -> Matcher:
    prefixes = (address + "#", address + "[")
    return lambda layer, _: layer.address == address or layer.address.startswith(prefixes)


def _calls_after(address: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(address + "#")


def _counts_from_end(item: Any) -> bool:
    """Return whether a position means something only once the number of layers is known."""
    if isinstance(item, slice):
        return any(bound is not None and bound < 0 for bound in (item.start, item.stop, item.step))
    return isinstance(item, int) and item < 0


def _positions(which: int | slice, length: int | None) -> tuple[Matcher, int | None]:
    """Return a matcher by position, and the last position that can match, None if not known."""
    if isinstance(which, int):
        which = slice(which, which + 1 or None)
    if length is not None:
        chosen = frozenset(range(length)[which])
        return (lambda _, position: position in chosen), max(chosen, default=-1)
    start, stop, step = which.start or 0, which.stop, which.step or 1

    def matches(_: Layer, position: int) -> bool:
        return (
            position >= start
            and (stop is None or position < stop)
            and (position - start) % step == 0
        )

    return matches, None if stop is None else stop - 1


def _predicate(function: Callable[[Layer], Any]) -> Matcher:
    return lambda layer, _: bool(function(layer))
