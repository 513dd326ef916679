"""What others raise, in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line without a full stop."""
    text = str(error) if not isinstance(error, OSError) else error.strerror or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
