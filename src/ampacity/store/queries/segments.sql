-- name: lock_segments
-- One part of a provider's messages at a time, so that of two that come at once one sees the other.
select provider_no from peer where provider_no = $1 for update;

-- name: drop_old_segments
delete from message_segment where provider_no = $1 and recorded_at < now() - interval '1 hour';

-- name: segment_content
select content from message_segment
where provider_no = $1 and message = $2 and request_id = $3 and segment_index = $4;

-- name: bytes_of_segments
select coalesce(sum(octet_length(content)), 0) from message_segment where provider_no = $1;

-- name: add_segment
insert into message_segment
    (provider_no, message, request_id, segment_index, segment_count, correlation_id, content)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: segments_alike
-- The parts that may belong together, the newest first.
select message, request_id, segment_index, segment_count, correlation_id, content
from message_segment
where provider_no = $1 and message = $2 and segment_count = $3
order by recorded_at desc, segment_index desc;
