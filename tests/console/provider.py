"""A small OpenID Connect provider for tests: it knows one person and checks what it is sent."""

import base64
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from litestar import Litestar, Request, get, post
from litestar.response import Redirect, Response

CLIENT = ("console", "a secret between us")


@dataclass
class Provider:
    """Its keys, whom it vouches for, and how it may be made to lie."""

    issuer: str
    claims: dict[str, Any]
    lies: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    signs_with: Any = None
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Litestar:
        @get("/.well-known/openid-configuration")
        async def about() -> dict[str, str]:
            return {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            }  # fmt: skip

        @get("/keys")
        async def keys() -> dict[str, Any]:
            return {"keys": [self.key.as_dict(private=False)]}

        @get("/authorize")
        async def authorize(request: Request[Any, Any, Any]) -> Redirect:
            asked = dict(request.query_params.items())
            assert asked["response_type"] == "code"
            assert "openid" in asked["scope"]
            code = hashlib.sha256(asked["nonce"].encode()).hexdigest()
            self.asked[code] = asked
            return Redirect(asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]}))

        @post("/token", status_code=200)
        async def token(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
            given = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
            basic = base64.b64encode(":".join(CLIENT).encode()).decode()
            asked = self.asked.pop(given["code"], None)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(given["code_verifier"].encode()).digest())
            proves = asked is not None and challenge.decode().rstrip("=") == asked["code_challenge"]
            if not proves or request.headers["authorization"] != f"Basic {basic}":
                return Response({"error": "invalid_grant"}, status_code=400)
            now = int(time.time())
            claims = {
                "iss": self.issuer, "aud": CLIENT[0], "iat": now, "exp": now + 300, "nonce": asked["nonce"],
                **self.claims, **self.lies,
            }  # fmt: skip
            signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signs_with or self.key)
            return Response({"access_token": "a", "token_type": "Bearer", "id_token": signed})

        return Litestar([about, keys, authorize, token], openapi_config=None, logging_config=None)
