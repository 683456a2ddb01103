"""A console that writes what it is given as it stands."""

from rich.console import Console


def plain_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """No words in brackets are taken for a style: `[s]` is a unit, and what others named stays as they named it."""
    return Console(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False)
