"""Signing in through an OpenID Connect provider: authorisation code with PKCE, the ID token checked by
authlib and joserfc.

OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3; RFC 7636.
"""

import time
from collections.abc import Mapping
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ampacity.errors import Unauthorised, Unreachable

METADATA_PATH = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
METADATA_GOOD_FOR_S = 3600.0
CLOCKS_DIFFER_S = 60


class OpenIdProvider:
    """The port `IdentityProvider`; what the provider says of itself is asked once an hour."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, timeout_s: float = 10.0) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._timeout_s = timeout_s
        self._metadata: tuple[float, dict[str, Any]] | None = None

    async def start(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in."""
        metadata = await self._about()
        async with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(address)

    async def finish(self, redirect_uri: str, code: str, nonce: str, verifier: str) -> Mapping[str, object]:
        """Change the code into claims that are signed by the provider, for us, in answer to our question."""
        metadata = await self._about()
        try:
            async with self._client(redirect_uri) as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=verifier, grant_type="authorization_code"
                )
                keys = (
                    (await client.request("GET", metadata["jwks_uri"], withhold_token=True)).raise_for_status().json()
                )
            return self._checked(str(token["id_token"]), keys, nonce)
        except (JoseError, KeyError, ValueError) as wrong:
            raise Unauthorised(f"the identity provider's answer does not prove who it is: {wrong}") from wrong
        except AuthlibBaseError as refused:
            raise Unauthorised(f"the identity provider refused the code: {refused.error}") from refused
        except OSError as gone:
            raise Unreachable(f"{self._issuer} does not answer: {type(gone).__name__}") from gone

    def _checked(self, id_token: str, keys: Any, nonce: str) -> Mapping[str, object]:
        signed = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))
        claims = CodeIDToken(
            signed.claims,
            signed.header,
            {
                "iss": {"essential": True, "value": self._issuer_said()},
                "aud": {"essential": True, "value": self._client_id},
                "sub": {"essential": True},
                "exp": {"essential": True},
            },
            {"nonce": nonce, "client_id": self._client_id},
        )
        claims.validate(leeway=CLOCKS_DIFFER_S)
        return dict(claims)

    def _issuer_said(self) -> str:
        assert self._metadata is not None
        return str(self._metadata[1]["issuer"])

    async def _about(self) -> dict[str, Any]:
        """What the provider says of itself; its issuer has to be the one we were told."""
        if self._metadata is not None and time.monotonic() - self._metadata[0] < METADATA_GOOD_FOR_S:
            return self._metadata[1]
        try:
            async with self._client("") as client:
                answer = await client.request("GET", self._issuer + METADATA_PATH, withhold_token=True)
                found: dict[str, Any] = answer.raise_for_status().json()
        except Exception as gone:  # the client's own errors have no base that could be named without importing it
            raise Unreachable(f"{self._issuer} does not tell about itself: {type(gone).__name__}") from gone
        if str(found.get("issuer", "")).rstrip("/") != self._issuer:
            raise Unreachable(f"{self._issuer} calls itself {found.get('issuer')}")
        self._metadata = (time.monotonic(), found)
        return found

    def _client(self, redirect_uri: str) -> Any:
        return AsyncOAuth2Client(
            self._client_id, self._client_secret, scope="openid profile email", redirect_uri=redirect_uri or None,
            code_challenge_method="S256", timeout=self._timeout_s,
        )  # fmt: skip
