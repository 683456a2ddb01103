-- name: complaints
-- What providers cannot keep: open ones first, then the newest; of one group, or all that are open.
select c.error_no, p.provider_id, g.group_no, g.group_id, o.kind::text as kind, o.decision_id, c.message, c.detail,
    c.received_at, a.at as acknowledged_at, who.name as acknowledged_by, coalesce(a.note, '') as note
from compliance_error c
join provider p using (provider_no)
left join capacity_group g using (group_no)
left join outbound_forecast o using (message_id)
left join complaint_acknowledged a using (error_no)
left join account who on who.account_no = a.account_no
where ($1::int is null or c.group_no = $1) and (not $2 or a.error_no is null) and ($3::bigint is null or c.error_no = $3)
order by a.error_no is not null, c.error_no desc
limit $4;

-- name: acknowledge_complaint
insert into complaint_acknowledged (error_no, account_no, note, at) values ($1, $2, $3, $4);
