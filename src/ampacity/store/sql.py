"""Named statements: SQL lives in `queries/*.sql`, each headed by `-- name: what_it_returns`."""

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statements() -> dict[str, str]:
    """Every statement by its name."""
    found: dict[str, str] = {}
    folder = resources.files("ampacity.store") / "queries"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            parts = _NAME.split(file.read_text(encoding="utf-8"))
            for name, text in zip(parts[1::2], parts[2::2], strict=True):
                if name in found:
                    raise ValueError(f"statement {name} is there twice, the second time in {file.name}")
                found[name] = text.strip().rstrip(";")
    return found


def sql(name: str) -> str:
    """The statement of that name."""
    return statements()[name]
