-- name: limit_changes
-- Limits that people set, newest first; of one element, or those that end after a moment.
select *
from limit_told
where ($1::int is null or element_no = $1) and ($2::timestamptz is null or ends_at > $2)
    and ($3::bigint is null or limit_no = $3)
order by set_at desc, limit_no desc
limit 1000;

-- name: set_limit
insert into limit_change (element_no, kind, limit_w, starts_at, ends_at, reason, at_once, set_by, set_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning limit_no;

-- name: answer_limit
insert into limit_event (limit_no, step, at, account_no) values ($1, $2, $3, $4);

-- name: limits_known_at
-- Limits that touch [$1, $2), as they were known at $3, in the order in which they were set.
select limit_no, element_no, element_id, kind, limit_w, starts_at, ends_at, reason, at_once, set_by, set_by_no, set_at,
    decided_at, confirmed_by, null::timestamptz as refused_at, null as refused_by,
    case when withdrawn_at <= $3 then withdrawn_at end as withdrawn_at,
    case when withdrawn_at <= $3 then withdrawn_by end as withdrawn_by
from limit_told
where starts_at < $2 and ends_at > $1 and decided_at <= $3
    and (withdrawn_at is null or withdrawn_at > $1 or withdrawn_at > $3)
order by set_at, limit_no;
