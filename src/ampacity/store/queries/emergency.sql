-- name: add_emergency
insert into emergency (decision_id, element_no, limit_w, starts_at, until, reason, limit_no)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: running_emergencies
-- What is imposed at $1 or was since, the newest word on each element: a late cycle must heed it too.
select element_no, limit_w, until
from (
    select distinct on (element_no) element_no, limit_w, until
    from emergency
    order by element_no, emergency_no desc
) as newest
where until > $1
order by element_no;

-- name: revoke_grants
-- Note for every running grant of these groups that an emergency cut it.
insert into request_event (request_no, step, at, decision_id, reason)
select distinct o.request_no, 'revoked'::request_step, $2::timestamptz, $1::bigint, $3::text
from request_outcome o
where o.group_no = any ($4::int[]) and not o.is_return and o.kind = $5 and o.first_quarter + o.quarters > $6
    and not exists (
        select from request_event e where e.request_no = o.request_no and e.step in ('expired', 'released', 'revoked', 'lapsed')
    );
