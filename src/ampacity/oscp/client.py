"""Messages to counterparts over HTTP; never raises for what a counterpart does."""

from datetime import datetime
from functools import lru_cache
from uuid import uuid4

import httpx
import msgspec

from ampacity.errors import Refused
from ampacity.oscp import mapping, wire
from ampacity.oscp.profiles import PeerProfile, profile_of
from ampacity.peers.types import Address, Behaviour, Delivery, Figures, OutboundForecast, Outcome

_TRY_AGAIN = frozenset({408, 425, 429})
_MOST_DETAIL = 300
_TAKEN = 204  # which has no body
_ALWAYS = {"User-Agent": "ampacity", "Content-Type": "application/json", "Accept": "*/*"}


class OscpClient:
    """The port `Counterpart`: our side of the conversation with every peer."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, base_url: str) -> None:
        """`base_url` is ours, under which peers reach us."""
        self._base_url = base_url
        self._transport = transport  # without a client: no redirects, no cookies, no proxies are wanted

    async def close(self) -> None:
        await self._transport.aclose()

    async def register(self, to: Address, token: str, *, answers: str | None) -> Delivery:
        message = mapping.register_message(token, self._base_url)
        return await self.post(to, "register", message, correlation_id=answers)

    async def shake_hands(self, to: Address, demands: Behaviour, *, message_id: str) -> Delivery:
        profile = profile_of(to.profile)
        asked = profile.heartbeat_interval_s or demands.heartbeat_interval_s
        demands = Behaviour(heartbeat_interval_s=asked, measurements=demands.measurements)
        return await self.post(to, "handshake", mapping.handshake_message(demands, profile), request_id=message_id)

    async def acknowledge(self, to: Address, demands: Behaviour, *, answers: str) -> Delivery:
        profile = profile_of(to.profile)
        message = mapping.handshake_message(demands, profile)
        return await self.post(to, "handshake_acknowledge", message, correlation_id=answers)

    async def beat(self, to: Address, offline_mode_at: datetime) -> Delivery:
        return await self.post(to, "heartbeat", mapping.heartbeat_message(offline_mode_at, profile_of(to.profile)))

    async def forecast(self, to: Address, forecast: OutboundForecast) -> Delivery:
        profile = profile_of(to.profile)
        name, body = "update_group_capacity_forecast", mapping.forecast_message(forecast, profile)
        refused = forecast.refusal is not None and profile.refusal == "compliance_error"
        error = wire.GroupCapacityComplianceError(message=forecast.refusal or "refused")
        return await self.post(
            to,
            "group_capacity_compliance_error" if refused else name,
            error if refused else body,
            request_id=forecast.request_id,
            correlation_id=forecast.correlation_id,
        )

    def wants_changes_only(self, to: Address) -> bool:
        return profile_of(to.profile).changes_only

    def says_the_same(self, to: Address, forecast: OutboundForecast, last: Figures) -> bool:
        return mapping.says_the_same(forecast, last, profile_of(to.profile))

    def keeps_silent(self, to: Address, forecast: OutboundForecast) -> bool:
        return forecast.refusal is not None and profile_of(to.profile).refusal == "silence"

    async def post(
        self,
        to: Address,
        message: str,
        body: msgspec.Struct,
        *,
        request_id: str | None = None,
        correlation_id: str | None = None,
        method: str = "POST",
    ) -> Delivery:
        """Send any message of the protocol."""
        profile = profile_of(to.profile)
        headers = _headers(to, profile, request_id or str(uuid4()), correlation_id)
        content = msgspec.json.encode(body)
        headers["Content-Length"] = str(len(content))
        url = f"{to.base_url}/{profile.paths.get(message, message)}"
        try:
            where = _url(url)
            request = httpx.Request(  # with a stream, all headers are ours: nothing is looked for to be added
                method, where, headers={"Host": where.netloc.decode("ascii"), **headers},
                stream=httpx.ByteStream(content), extensions={"provider": to.provider_id},
            )  # fmt: skip
            answer = await self._transport.handle_async_request(request)
            if answer.status_code == _TAKEN:
                return Delivery(outcome=Outcome.DELIVERED, detail=str(_TAKEN))
            await answer.aread()
        except Refused as forbidden:
            return Delivery(outcome=Outcome.REFUSED, detail=str(forbidden), reached=False)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as failed:
            detail = f"{type(failed).__name__}: {failed}"[:_MOST_DETAIL]
            return Delivery(outcome=Outcome.FAILED, detail=detail, reached=False)
        return delivery_of(answer.status_code, answer.text)


@lru_cache(maxsize=4096)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _headers(to: Address, profile: PeerProfile, request_id: str, correlation_id: str | None) -> dict[str, str]:
    headers = {**_ALWAYS, **profile.headers, "Authorization": f"Token {to.token}", "X-Request-ID": request_id}
    if correlation_id is not None:
        headers["X-Correlation-ID"] = correlation_id
    return headers


def delivery_of(status: int, body: str) -> Delivery:
    """What a status means: every 2xx is a success, a redirect is not followed, a 4xx is final but for three.

    >>> delivery_of(503, "").outcome
    <Outcome.FAILED: 'failed'>
    """
    detail = f"{status} {body.strip()}"[:_MOST_DETAIL].strip()
    if 200 <= status < 300:
        return Delivery(outcome=Outcome.DELIVERED, detail=detail)
    if 300 <= status < 400:
        return Delivery(outcome=Outcome.FAILED, detail=f"{status}: redirects are not followed")
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return Delivery(outcome=Outcome.REFUSED, detail=detail)
    return Delivery(outcome=Outcome.FAILED, detail=detail)
