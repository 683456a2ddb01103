<<<<<<< HEAD
-- name: running_outcomes
-- What decided requests of a kind let groups hold in quarters [$2, $3), in the order of the decisions.
select group_no, is_return, first_quarter, quarters, held_w
from request_outcome
where kind = $1 and first_quarter < $3 and first_quarter + quarters > $2
order by decision_id, request_no;

-- name: lock_negotiation
-- One decision on requests at a time.
select pg_advisory_xact_lock(4170211502);

-- name: undecided_requests
-- Requests that wait for a decision, in the order in which they came.
select r.request_no, r.provider_no, r.group_no, r.kind, r.request_id, r.received_at, r.first_quarter, r.quarters, r.wanted_w
from capacity_request r
where not exists (
    select from request_event e
    where e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
)
order by r.request_no
limit 1000;

-- name: newest_headroom_blocks
-- Headroom of the newest cycle made at or before $1.
select h.direction, h.first_no, h.subjects, h.first_quarter, h.steps, h.headroom_w
from headroom_block h
where h.step_quarters = 1 and h.direction = $2
    and h.decision_id = (
        select decision_id from decision where kind = 'cycle' and made_at <= $1 order by made_at desc, decision_id desc limit 1
    )
order by h.first_no;

-- name: add_request_event
insert into request_event (request_no, step, at, decision_id, reason, detail) values ($1, $2, $3, $4, $5, $6);
=======
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

-- name: request_by_id
select content_hash from capacity_request where provider_no = $1 and request_id = $2;

-- name: same_request_lately
-- A peer that renews the id of a message which it repeats means the same request.
select request_no
from capacity_request
where provider_no = $1 and content_hash = $2 and recorded_at > now() - interval '5 minutes'
limit 1;

-- name: add_request
insert into capacity_request
    (provider_no, group_no, kind, request_id, content_hash, received_at, first_quarter, quarters, wanted_w)
select $1, g.group_no, $3, $4, $5, $6, $7, $8, $9
from capacity_group g
where g.group_id = $2
on conflict (provider_no, request_id) do nothing
returning request_no;

-- name: add_request_received
insert into request_event (request_no, step, at)
values ($1, 'received', $2);

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
>>>>>>> 8835d9a (Let providers register, ask, report and be told)
