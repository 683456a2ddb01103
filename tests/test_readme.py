"""The README's two commands are what is run, and what it says is there is there."""

import re
from pathlib import Path

import msgspec

from ampacity.app.cli import COMMANDS
from ampacity.app.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_starts_with_exactly_the_two_commands():
    first_block = README.split("```")[1].strip().splitlines()

    assert first_block == [
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[embedded]' && .venv/bin/ampacity demo",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[embedded,test]' && .venv/bin/pytest",
    ]


def test_ci_runs_the_test_command_as_it_stands():
    test_command = README.split("```")[1].strip().splitlines()[1]

    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_every_command_is_named():
    assert [n for n in COMMANDS if f"`ampacity {n}" not in README and f"ampacity {n}`" not in README] == []


def test_every_setting_that_is_named_exists():
    sections = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    for section, name in re.findall(r"`AMPACITY_([A-Z]+)_([A-Z_]+)`", README):
        fields = {f.name for f in msgspec.structs.fields(sections[section.lower()])}
        assert name.lower() in fields, f"AMPACITY_{section}_{name}"


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
