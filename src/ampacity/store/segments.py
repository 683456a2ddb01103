"""Parts of messages, in PostgreSQL, until all of them are there."""

from ampacity.errors import Conflict, Refused
from ampacity.peers.segments import Segment
from ampacity.store.pool import Pool
from ampacity.store.sql import sql


class SegmentStore:
    """The port `Segments` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, provider_no: int, segment: Segment, *, limit_bytes: int) -> list[Segment]:
        place = (provider_no, segment.message, segment.request_id, segment.index)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql("lock_segments"), provider_no)
            await connection.execute(sql("drop_old_segments"), provider_no)
            known: bytes | None = await connection.fetchval(sql("segment_content"), *place)
            if known is None:
                held: int = await connection.fetchval(sql("bytes_of_segments"), provider_no)
                if held + len(segment.content) > limit_bytes:
                    raise Refused(f"more than {limit_bytes} bytes of parts within an hour")
                await connection.execute(
                    sql("add_segment"), *place, segment.count, segment.correlation_id, segment.content
                )
            elif known != segment.content:
                raise Conflict(f"part {segment.index} of message {segment.request_id} came before with other content")
            rows = await connection.fetch(sql("segments_alike"), provider_no, segment.message, segment.count)
        return [
            Segment(
                message=r["message"], request_id=r["request_id"], index=r["segment_index"], count=r["segment_count"],
                correlation_id=r["correlation_id"], content=r["content"],
            )
            for r in rows
        ]  # fmt: skip
