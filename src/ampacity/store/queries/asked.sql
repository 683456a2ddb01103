-- name: connection_of_group
select g.group_no, g.group_id, c.provider_no, c.unit, c.phases, c.contracted_import_w, c.contracted_export_w,
    e.nominal_voltage_v
from capacity_group g
cross join lateral (
    select * from contract v where v.group_no = g.group_no order by v.version desc limit 1
) as c
cross join lateral (
    select nominal_voltage_v from element_version v where v.element_no = c.element_no order by v.version desc limit 1
) as e
where g.group_id = $2 and c.provider_no = $1;

-- name: connections_of_groups
select g.group_no, g.group_id, c.provider_no, c.unit, c.phases, c.contracted_import_w, c.contracted_export_w,
    e.nominal_voltage_v
from capacity_group g
cross join lateral (
    select * from contract v where v.group_no = g.group_no order by v.version desc limit 1
) as c
cross join lateral (
    select nominal_voltage_v from element_version v where v.element_no = c.element_no order by v.version desc limit 1
) as e
where g.group_no = any ($1::int[]);

-- name: connections_asked
-- Of each place the group, if it is that of who holds the token.
select n.place, g.group_no, g.group_id, c.provider_no, c.unit, c.phases, c.contracted_import_w, c.contracted_export_w,
    e.nominal_voltage_v
from unnest($1::bytea[], $2::text[]) with ordinality as n (token_hash, group_id, place)
join peer_token t on t.token_hash = n.token_hash and t.revoked_at is null
join capacity_group g on g.group_id = n.group_id
cross join lateral (
    select * from contract v where v.group_no = g.group_no order by v.version desc limit 1
) as c
cross join lateral (
    select nominal_voltage_v from element_version v where v.element_no = c.element_no order by v.version desc limit 1
) as e
where c.provider_no = t.provider_no;

-- name: connections_of_provider
select g.group_no, g.group_id, c.provider_no, c.unit, c.phases, c.contracted_import_w, c.contracted_export_w,
    e.nominal_voltage_v
from capacity_group g
cross join lateral (
    select * from contract v where v.group_no = g.group_no order by v.version desc limit 1
) as c
cross join lateral (
    select nominal_voltage_v from element_version v where v.element_no = c.element_no order by v.version desc limit 1
) as e
where c.provider_no = $1
order by g.group_no;

-- name: take_request
-- A request with its first step, in one statement; what is known of it already, where it is: the content of a message
-- with its id ($4), and the request that it asks for anew.
with known as (
    select content_hash from capacity_request where provider_no = $1 and request_id = $4
    union all
    select content_hash from request_repeat where provider_no = $1 and request_id = $4
    limit 1
), newest as (
    select r.request_no, r.content_hash, r.recorded_at
    from capacity_request r
    join capacity_group g using (group_no)
    where r.provider_no = $1 and g.group_id = $2 and r.kind = $3
    order by r.request_no desc
    limit 1
), lately as (
    -- A peer that renews the id of a message which it repeats means the same request, unless it asked for something
    -- else in between.
    select request_no from newest where content_hash = $5 and recorded_at > now() - interval '10 minutes'
), added as (
    insert into capacity_request
        (provider_no, group_no, kind, request_id, content_hash, received_at, first_quarter, quarters, wanted_w)
    select $1, g.group_no, $3, $4, $5, $6, $7, $8, $9
    from capacity_group g
    where g.group_id = $2 and not exists (select from known) and not exists (select from lately)
    on conflict (provider_no, request_id) do nothing
    returning request_no
), received as (
    insert into request_event (request_no, step, at) select request_no, 'received', $6 from added
)
select (select content_hash from known) as known_hash, (select request_no from lately) as asked_lately,
    (select request_no from added) as request_no;

-- name: take_requests
-- Requests with their first steps, those alone of which nothing is known: neither their ids nor, lately, their contents.
-- They are numbered in the order in which they came, and written in the order of their ids, so that two servers to which
-- the same ones came do not wait for each other.
with asked as materialized (
    select *
    from unnest(
        $2::int[], $3::text[], $4::forecast_kind[], $5::text[], $6::bytea[], $7::int[], $8::int[], $9::bytea[]
    ) with ordinality as n (
        provider_no, group_id, kind, request_id, content_hash, first_quarter, quarters, wanted_w, place
    )
), fresh as materialized (
    select f.*, nextval(pg_get_serial_sequence('capacity_request', 'request_no')) as request_no
    from (
        select a.*, g.group_no
        from asked a
        join capacity_group g using (group_id)
        where not exists (
                select from capacity_request r where r.provider_no = a.provider_no and r.request_id = a.request_id
            )
            and not exists (
                select from request_repeat p where p.provider_no = a.provider_no and p.request_id = a.request_id
            )
            and not exists (
                select
                from (
                    select r.content_hash, r.recorded_at
                    from capacity_request r
                    where r.provider_no = a.provider_no and r.group_no = g.group_no and r.kind = a.kind
                    order by r.request_no desc
                    limit 1
                ) as newest
                where newest.content_hash = a.content_hash and newest.recorded_at > now() - interval '10 minutes'
            )
        order by a.place
        offset 0  -- the numbers in this order
    ) as f
), added as (
    insert into capacity_request (
        request_no, provider_no, group_no, kind, request_id, content_hash, received_at, first_quarter, quarters,
        wanted_w
    )
    overriding system value
    select request_no, provider_no, group_no, kind, request_id, content_hash, $1, first_quarter, quarters, wanted_w
    from fresh
    order by provider_no, request_id
    on conflict (provider_no, request_id) do nothing
    returning request_no
), received as (
    insert into request_event (request_no, step, at) select request_no, 'received', $1 from added order by request_no
)
select f.place, request_no from fresh f join added using (request_no);

-- name: add_request_repeat
insert into request_repeat (provider_no, request_id, content_hash, request_no)
values ($1, $2, $3, $4)
on conflict do nothing
returning request_no;

-- name: answer_repeat
-- What holds for the group of a request that is decided, once more, as the answer to this id.
insert into outbound_forecast (decision_id, kind, provider_no, group_no, correlation_id)
select b.decision_id, r.kind, r.provider_no, r.group_no, $2
from capacity_request r
cross join lateral (
    select a.decision_id
    from allocation_block a
    where a.kind = r.kind and r.group_no >= a.first_no and r.group_no < a.first_no + a.subjects
    order by a.decision_id desc
    limit 1
) as b
where r.request_no = $1
    and exists (
        select from request_event e
        where e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
    );

-- name: complaint_by_id
select content_hash from compliance_error where provider_no = $1 and request_id = $2;

-- name: add_complaint
-- Linked to the forecast that it is about, where the peer tells which one.
insert into compliance_error
    (provider_no, request_id, content_hash, correlation_id, message_id, group_no, message, detail, received_at)
select $1, $2, $3, $4, o.message_id, coalesce(o.group_no, g.group_no), $5, $6, $7
from (values (1)) as one
left join outbound_forecast o on o.provider_no = $1 and o.request_id::text = $4
left join capacity_group g on g.group_id = $4
    and $1 = (select v.provider_no from contract v where v.group_no = g.group_no order by v.version desc limit 1)
on conflict (provider_no, request_id) do nothing
returning error_no;

-- name: asked_lately
-- Whether the newest request came within the last $1 seconds; null where there is none.
select recorded_at > now() - make_interval(secs => $1) from capacity_request order by request_no desc limit 1;
