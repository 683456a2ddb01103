-- An override may count at once, as an emergency does; and what the command line imposes is seen as a limit.

alter table limit_change add column at_once boolean not null default false;
comment on column limit_change.at_once is 'an override that is decided on as soon as it is confirmed, not only by the next cycle';

alter table emergency add column limit_no bigint references limit_change;
comment on column emergency.limit_no is 'the limit of a person that it came from; null: the command line';

drop view limit_story;
create view limit_story as
select c.*,
    case when c.kind = 'emergency' then c.set_at else confirmed.at end as decided_at,
    confirmed.account_no as confirmed_by, refused.at as refused_at, refused.account_no as refused_by,
    withdrawn.at as withdrawn_at, withdrawn.account_no as withdrawn_by
from limit_change c
left join limit_event confirmed on confirmed.limit_no = c.limit_no and confirmed.step = 'confirmed'
left join limit_event refused on refused.limit_no = c.limit_no and refused.step = 'refused'
left join limit_event withdrawn on withdrawn.limit_no = c.limit_no and withdrawn.step = 'withdrawn';

-- Every limit with the names of people; those of the command line count downwards from -1.
create view limit_told as
select s.limit_no, s.element_no, e.element_id, s.kind, s.limit_w, s.starts_at, s.ends_at, s.reason, s.at_once,
    setter.name as set_by, s.set_by as set_by_no, s.set_at, s.decided_at, c.name as confirmed_by, s.refused_at,
    r.name as refused_by, s.withdrawn_at, w.name as withdrawn_by
from limit_story s
join element e using (element_no)
join account setter on setter.account_no = s.set_by
left join account c on c.account_no = s.confirmed_by
left join account r on r.account_no = s.refused_by
left join account w on w.account_no = s.withdrawn_by
union all
select -m.emergency_no, m.element_no, e.element_id, 'emergency', m.limit_w / char_length(v.phases), m.starts_at, m.until,
    m.reason, true, 'the command line', 0, m.starts_at, m.starts_at, null, null, null,
    case when newer.starts_at < m.until then newer.starts_at end,
    case when newer.starts_at < m.until then 'a newer word' end
from emergency m
join element e using (element_no)
join lateral (
    select phases from element_version v where v.element_no = m.element_no order by version desc limit 1
) as v on true
left join lateral (
    select n.starts_at from emergency n
    where n.element_no = m.element_no and n.emergency_no > m.emergency_no
    order by n.emergency_no limit 1
) as newer on true
where m.limit_no is null and m.until > m.starts_at;
