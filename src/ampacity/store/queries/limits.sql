-- name: limit_changes
-- Limits that people set, newest first; of one element, or those that end after a moment.
select s.limit_no, s.element_no, e.element_id, s.kind, s.limit_w, s.starts_at, s.ends_at, s.reason,
    setter.name as set_by, s.set_by as set_by_no, s.set_at, s.decided_at, c.name as confirmed_by, s.refused_at,
    r.name as refused_by, s.withdrawn_at, w.name as withdrawn_by
from limit_story s
join element e using (element_no)
join account setter on setter.account_no = s.set_by
left join account c on c.account_no = s.confirmed_by
left join account r on r.account_no = s.refused_by
left join account w on w.account_no = s.withdrawn_by
where ($1::int is null or s.element_no = $1) and ($2::timestamptz is null or s.ends_at > $2)
    and ($3::bigint is null or s.limit_no = $3)
order by s.limit_no desc
limit 1000;

-- name: set_limit
insert into limit_change (element_no, kind, limit_w, starts_at, ends_at, reason, set_by, set_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning limit_no;

-- name: answer_limit
insert into limit_event (limit_no, step, at, account_no) values ($1, $2, $3, $4);

-- name: limits_known_at
-- Limits that touch [$1, $2), as they were known at $3, in the order in which they were set.
select s.limit_no, s.element_no, e.element_id, s.kind, s.limit_w, s.starts_at, s.ends_at, s.reason, '' as set_by,
    s.set_by as set_by_no, s.set_at, s.decided_at, null as confirmed_by, null::timestamptz as refused_at,
    null as refused_by, case when s.withdrawn_at <= $3 then s.withdrawn_at end as withdrawn_at, null as withdrawn_by
from limit_story s
join element e using (element_no)
where s.starts_at < $2 and s.ends_at > $1 and s.decided_at <= $3
    and (s.withdrawn_at is null or s.withdrawn_at > $1 or s.withdrawn_at > $3)
order by s.limit_no;
