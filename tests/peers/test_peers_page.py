"""The page for providers names everything there is."""

from pathlib import Path
from typing import get_args

import msgspec

from ampacity.oscp.profiles import PRESETS, PeerProfile
from ampacity.oscp.sandbox import Action

PAGE = (Path(__file__).parents[2] / "deploy" / "peers.md").read_text(encoding="utf-8")


def test_it_names_every_trait_preset_and_action():
    traits = {f.name for f in msgspec.structs.fields(PeerProfile)} - {"preset"}

    missing = [name for name in (*traits, *PRESETS, *get_args(Action)) if f"`{name}`" not in PAGE]

    assert missing == []
