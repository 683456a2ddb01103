-- name: note_published
-- The answer to a request has reached its provider.
insert into request_event (request_no, step, at, decision_id)
select r.request_no, 'published'::request_step, $1::timestamptz, e.decision_id
from capacity_request r
join request_event e on e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
where r.first_quarter + r.quarters > $2 - 96
    and exists (
        select from outbound_forecast o
        where o.correlation_id = r.request_id and o.group_no = r.group_no and o.kind = r.kind and o.sent_at is not null
    )
    and not exists (select from request_event p where p.request_no = r.request_no and p.step = 'published')
on conflict do nothing
returning request_no;

-- name: note_active
-- The first quarter of a grant has begun.
insert into request_event (request_no, step, at)
select distinct o.request_no, 'active'::request_step, $1::timestamptz
from request_outcome o
join capacity_request r using (request_no)
where not o.is_return and greatest(r.first_quarter, o.first_quarter) <= $2
    and r.first_quarter + r.quarters > $2::int
    and not exists (
        select from request_event e
        where e.request_no = o.request_no and e.step in ('active', 'released', 'revoked', 'expired', 'lapsed')
    )
on conflict do nothing
returning request_no;

-- name: note_released
-- Its group has given back later, in all quarters that are left.
insert into request_event (request_no, step, at, reason)
select distinct o.request_no, 'released'::request_step, $1::timestamptz, 'given back by request ' || later.request_id
from request_outcome o
join capacity_request r using (request_no)
join request_outcome back on back.group_no = o.group_no and back.kind = o.kind and back.is_return
    and back.request_no > o.request_no
join capacity_request later on later.request_no = back.request_no
where not o.is_return and r.first_quarter + r.quarters > $2
    and later.first_quarter <= greatest(r.first_quarter, $2)
    and later.first_quarter + later.quarters >= r.first_quarter + r.quarters
    and not exists (
        select from request_event e
        where e.request_no = o.request_no and e.step in ('released', 'revoked', 'expired', 'lapsed')
    )
on conflict do nothing
returning request_no;

-- name: note_expired
-- The last quarter of a grant is over: it ends by itself.
insert into request_event (request_no, step, at)
select distinct o.request_no, 'expired'::request_step, $1::timestamptz
from request_outcome o
join capacity_request r using (request_no)
where not o.is_return and r.first_quarter + r.quarters <= $2 and r.first_quarter + r.quarters > $2 - 960
    and not exists (
        select from request_event e
        where e.request_no = o.request_no and e.step in ('released', 'revoked', 'expired', 'lapsed')
    )
on conflict do nothing
returning request_no;
