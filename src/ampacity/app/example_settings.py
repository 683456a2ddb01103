"""The example of a settings file: every setting with its default and what it means, taken from the types.

python -m ampacity.app.example_settings > deploy/ampacity.example.toml
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from ampacity.app.settings import Settings

HEADER = """\
# Every setting of Ampacity with its default.  A variable AMPACITY_<SECTION>_<NAME> overrules what stands here,
# e.g. AMPACITY_SERVER_PORT=8471, and DATABASE_URL overrules database.url."""


def example_settings() -> str:
    """The file as text."""
    sections = (_section(section.name, section.type) for section in msgspec.structs.fields(Settings))
    return "\n".join([HEADER, *(line for lines in sections for line in lines), ""])


def _section(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    meanings = _meanings(kind)
    yield ""
    yield f"[{name}]"
    for setting in msgspec.structs.fields(kind):
        if setting.name in meanings:
            yield from textwrap.wrap(meanings[setting.name], 116, initial_indent="# ", subsequent_indent="# ")
        yield f"{setting.name} = {_toml(msgspec.to_builtins(setting.default))}"


def _meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The text that stands below each field in the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _toml(value: object) -> str:
    """Text, numbers, truth and lists of them read the same in JSON and TOML."""
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(example_settings())
