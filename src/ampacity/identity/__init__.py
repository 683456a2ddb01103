"""Somebody else who knows who people are: OpenID Connect."""

from ampacity.identity.oidc import OpenIdProvider

__all__ = ["OpenIdProvider"]
