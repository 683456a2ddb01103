"""Tokens: ours are random and kept as a hash, theirs are encrypted at rest."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ampacity.errors import NotReady

_NONCE_BYTES = 12
_RANDOM_BYTES = 48  # 64 characters: the longest that some peers can store


class TokenVault:
    """The port `Tokens`, with the key from the settings."""

    def __init__(self, secret_key: str) -> None:
        if len(secret_key) < 32:
            raise NotReady("oscp.secret_key is shorter than 32 characters: it keeps the tokens of peers safe")
        self._cipher = AESGCM(hashlib.sha256(b"ampacity peer tokens\0" + secret_key.encode()).digest())

    def issue(self) -> str:
        """A new token of 64 characters."""
        return secrets.token_urlsafe(_RANDOM_BYTES)

    def digest(self, token: str) -> bytes:
        """What is kept of a token that we issued; 384 random bits need no slow hash."""
        return hashlib.sha256(token.encode()).digest()

    def seal(self, token: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, token.encode(), None)

    def unseal(self, sealed: bytes) -> str:
        """The token again.

        Raises:
            NotReady: it was sealed with another key.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
        except InvalidTag as other:
            raise NotReady("oscp.secret_key is not the one with which the tokens of peers were encrypted") from other


def secret_in(folder: Path) -> str:
    """The key kept in a folder of ours, made there at first use: for machines without settings."""
    file = folder / "secret_key"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        new = folder / f"secret_key.{os.getpid()}"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as written:
            written.write(secrets.token_urlsafe(_RANDOM_BYTES))
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(new, file)
        new.unlink()
    return file.read_text(encoding="ascii").strip()
