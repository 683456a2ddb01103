-- name: add_usage_messages
-- Many reports in one commit.  Who sent each, and whether the group is its own, is judged here and now:
-- a token that was revoked a moment ago is not good any more.
with asked as (
    select *
    from unnest($1::int[], $2::bytea[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
        as a (place, token_hash, group_id, request_id, content_hash, readings)
),
judged as (
    select a.*, t.provider_no, p.state in ('registered', 'handshaking', 'connected', 'offline') as registered, c.group_no
    from asked a
    left join peer_token t on t.token_hash = a.token_hash and t.revoked_at is null and t.purpose <> 'invite'
    left join peer p on p.provider_no = t.provider_no
    left join capacity_group g on g.group_id = a.group_id
    left join lateral (
        select v.group_no, v.provider_no from contract v where v.group_no = g.group_no order by v.version desc limit 1
    ) as c on c.provider_no = t.provider_no
),
added as (
    insert into usage_message (provider_no, group_no, request_id, content_hash, received_at, readings)
    select provider_no, group_no, request_id, content_hash, $7, readings
    from judged
    where registered and group_no is not null
    order by place
    on conflict (provider_no, request_id) do nothing
    returning provider_no, request_id
)
select j.place, j.provider_no is not null as known, coalesce(j.registered, false) as registered,
    j.group_no is not null as has_group, a.request_id is not null as added,
    (
        select m.content_hash = j.content_hash
        from usage_message m
        where m.provider_no = j.provider_no and m.request_id = j.request_id
    ) as same
from judged j
left join added a on a.provider_no = j.provider_no and a.request_id = j.request_id;

-- name: unsettled_usage
select message_no, group_no, received_at, readings
from usage_message
where settled_at is null
order by message_no
limit $1;

-- name: mark_usage_settled
-- Each message is settled by one process: the others get nothing back.
update usage_message
set settled_at = $2
where message_no = any ($1::bigint[]) and settled_at is null
returning message_no;

-- name: readings_of_group
select reading_no, asset_id, category, quantity, phase, direction, energy_type, measured_at, since, value,
    quarantined_because
from meter_reading
where group_no = $1 and measured_at >= $2 and measured_at < $3 and fault is null
order by measured_at, reading_no;

-- name: judge_readings
update meter_reading r
set quarantined_because = v.verdict
from unnest($1::bigint[], $2::text[]) as v (reading_no, verdict)
where r.reading_no = v.reading_no;

-- name: usage_blocks
select first_no, first_quarter, quarters, load_w
from load_block
where subject = 'group' and first_no <= $1 and first_no + subjects > $1
    and first_quarter < $3 and first_quarter > $2 - 96 and first_quarter + quarters > $2
order by coalesce(available_at, to_timestamp((first_quarter + quarters) * 900.0)), block_id;

-- name: add_usage_block
insert into load_block (subject, first_no, subjects, first_quarter, quarters, available_at, load_w)
values ('group', $1, 1, $2, $3, $4, $5);

-- name: add_usage_count
insert into usage_count (group_no, settled_at, what, readings)
values ($1, $2, $3, $4);
