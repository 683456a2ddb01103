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
