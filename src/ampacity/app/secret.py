"""The key that encrypts the tokens of peers: from the settings, else made once and kept in a file of its own."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ampacity.app.settings import Settings, database_folder
from ampacity.errors import NotReady
from ampacity.oscp.settings import OscpSettings

FILE = "secret.key"


def with_secret_key(settings: Settings, environment: Mapping[str, str]) -> OscpSettings:
    """The protocol's settings with a key that is the same at the next start.

    Raises:
        NotReady: there is no key in the settings, and the file for one cannot be read or made.
    """
    if settings.oscp.secret_key:
        return settings.oscp
    folder = database_folder(settings.database, environment)
    return msgspec.structs.replace(settings.oscp, secret_key=_kept_key(folder / FILE))


def _kept_key(file: Path) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as new:
                new.write(secrets.token_urlsafe(48))
        except FileExistsError:
            pass
        return file.read_text(encoding="ascii").strip()
    except OSError as failed:
        raise NotReady(
            f"no key to encrypt tokens with: set AMPACITY_OSCP_SECRET_KEY, or let {file} be made ({failed.strerror})"
        ) from failed
