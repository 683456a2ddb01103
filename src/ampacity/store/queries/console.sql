-- name: console_status
-- The machine in a line; $1 is the data's clock.
select n.slot, n.recorded_at as decided_at, n.stages,
    (
        select count(*)
        from generate_series(
            greatest(date_bin('15 minutes', $1::timestamptz - interval '24 hours', timestamptz 'epoch'), (select min(slot) from cycle)),
            date_bin('15 minutes', $1::timestamptz, timestamptz 'epoch') - interval '15 minutes', interval '15 minutes'
        ) as s (slot)
        where not exists (select from cycle c where c.slot = s.slot and c.decision_id is not null)
    ) as missed_slots,
    (
        select count(*) from compliance_error c
        where not exists (select from complaint_acknowledged a where a.error_no = c.error_no)
    ) as complaints,
    o.waiting as outbox_waiting, o.oldest_at as outbox_oldest_at,
    (select count(*) from outbound_forecast where dead_at > now() - interval '7 days') as outbox_dead,
    r.waiting as requests_waiting, r.oldest_at as oldest_request_at,
    l.proposed as limits_proposed, l.holding as limits_holding,
    (
        select max(first_quarter + quarters) from load_block
        where subject = 'element' and first_quarter < extract(epoch from $1::timestamptz)::bigint / 900
    ) as behind_last_load
from (
        select count(*) as waiting, min(created_at) as oldest_at
        from outbound_forecast
        where sent_at is null and superseded_at is null and dead_at is null
    ) as o
cross join (
        select count(*) as waiting, min(q.received_at) as oldest_at
        from open_request
        join capacity_request q using (request_no)
    ) as r
cross join (
        select count(*) filter (where decided_at is null) as proposed, count(*) filter (where decided_at <= $1) as holding
        from limit_story
        where ends_at > $1 and refused_at is null and (withdrawn_at is null or withdrawn_at > $1)
    ) as l
left join lateral (
        select c.slot, d.recorded_at, c.stages
        from cycle c
        join decision d using (decision_id)
        where c.slot <= $1
        order by c.slot desc
        limit 1
    ) as n on true;

-- name: console_newest
-- The newest cycle, and the newest decision of any kind.
select c.slot, d.decision_id, d.made_at, d.settings, f.first_quarter, f.quarters,
    (select max(l.decision_id) from decision l where l.decision_id >= d.decision_id and l.made_at <= $1) as latest_id
from cycle c
join decision d using (decision_id)
join lateral (
    select first_quarter, quarters from forecast_block b where b.decision_id = d.decision_id order by first_no limit 1
) as f on true
where c.slot <= $1
order by c.slot desc
limit 1;

-- name: grid_revision
-- Rows are only ever added to these: their counts tell whether something changed, limits that people set included.
select (select count(*) from element_version) as elements, (select count(*) from contract) as contracts,
    (select count(*) from provider) as providers,
    (select count(*) from limit_change) + (select count(*) from limit_event) as limits;

-- name: forecast_sources
select first_no, subjects, source from forecast_block where decision_id = $1 order by first_no;

-- name: kept_forecasts
-- The quantiles of one element that cycles made in [$2, $3] kept, oldest first.
select f.decision_id, d.made_at, f.first_quarter, f.quarters, f.levels,
    (
        select string_agg(
            rows_of_figures(
                f.load_w, cardinality(f.levels) * f.subjects * 3, f.quarters,
                (level * f.subjects + $1::int - f.first_no) * 3, 3
            ), ''::bytea order by level
        )
        from generate_series(0, cardinality(f.levels) - 1) as level
    ) as load_w,
    substring(
        f.weather_free from ($1::int - f.first_no) * 3 * ((f.quarters + 7) / 8) + 1 for 3 * ((f.quarters + 7) / 8)
    ) as weather_free
from decision d
cross join lateral (
    select * from forecast_block b
    where b.decision_id = d.decision_id and b.first_no <= $1 and b.first_no + b.subjects > $1
    offset 0  -- a look-up for each, in the partition where it is
) as f
where d.kind = 'cycle' and d.made_at >= $2 and d.made_at <= $3
order by d.made_at, d.decision_id;

-- name: kept_capacities
-- What decisions made in [$3, $4] gave groups $1 of one kind, oldest first.
select a.decision_id, d.kind as decision_kind, d.made_at, g.group_no, a.first_quarter, a.steps, a.step_quarters,
    substring(a.capacity_w from (g.group_no - a.first_no) * a.steps * 4 + 1 for a.steps * 4) as capacity_w,
    substring(a.bound_by from (g.group_no - a.first_no) * a.steps * 4 + 1 for a.steps * 4) as bound_by
from decision d
join decision_chain c using (decision_id)
cross join lateral (
    select * from allocation_block b where b.decision_id = d.decision_id and b.kind = $2
    offset 0  -- a look-up for each, in the partition where it is
) as a
join unnest($1::int[]) as g (group_no) on g.group_no >= a.first_no and g.group_no < a.first_no + a.subjects
where d.made_at >= $3 and d.made_at <= $4
order by c.seq;

-- name: element_headroom
-- One element's headroom in the decisions made in [$3, $4], oldest first.
select d.made_at, h.first_quarter, h.steps,
    rows_of_figures(h.headroom_w, h.subjects * 3, h.steps, ($2::int - h.first_no) * 3, 3) as headroom_w
from decision d
join decision_chain c using (decision_id)
cross join lateral (
    select * from headroom_block b
    where b.decision_id = d.decision_id and b.direction = $1 and b.first_no <= $2 and b.first_no + b.subjects > $2
    offset 0  -- a look-up for each, in the partition where it is
) as h
where d.made_at >= $3 and d.made_at <= $4
order by c.seq;

-- name: console_messages
select o.message_id, o.decision_id, d.kind as decision_kind, o.kind, o.group_no, g.group_id, p.provider_id, d.made_at,
    o.correlation_id, o.created_at, o.due_at, o.attempts, o.sent_at, o.superseded_at, o.dead_at, o.last_error
from outbound_forecast o
join decision d using (decision_id)
join capacity_group g using (group_no)
join provider p using (provider_no)
where ($1::int is null or o.group_no = $1) and ($2::int is null or o.provider_no = $2)
    and (
        $3::text is null
        or ($3 = 'dead' and o.dead_at is not null)
        or ($3 = 'waiting' and o.sent_at is null and o.superseded_at is null and o.dead_at is null)
    )
order by o.message_id desc
limit $4;

-- name: console_requests
-- Requests with what became of them: those that wait first, the longest waiting on top, then the newest.
select r.request_no, r.request_id, p.provider_id, r.group_no, g.group_id, r.kind, r.received_at, r.first_quarter,
    r.wanted_w, e.step, coalesce(e.reason, '') as reason, e.at as decided_at, e.decision_id, count(*) over () as total
from capacity_request r
join provider p using (provider_no)
join capacity_group g using (group_no)
left join request_event e on e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
where ($1::int is null or r.group_no = $1) and ($2::bool is null or (e.step is null) = $2)
    and ($3::bigint is null or r.request_no = $3)
order by e.step is not null, case when e.step is null then r.request_no else -r.request_no end
limit $4 offset $5;

-- name: request_story
select step, at, recorded_at, decision_id, reason, detail
from request_event
where request_no = $1
order by event_no;

-- name: requests_seen
-- Changes with each request that comes and with each step of one, and costs what waits.
select (select max(request_no) from capacity_request) as newest, (select count(*) from open_request) as waiting,
    (select max(event_no) from request_event) as newest_step;

-- name: request_held
select is_return, first_quarter, held_w from request_outcome where request_no = $1 order by is_return;

-- name: console_providers
select p.provider_no, p.provider_id, p.name,
    (select count(*) from current_contract c where c.provider_no = p.provider_no) as groups,
    coalesce(w.waiting, 0) as waiting, w.oldest_waiting_at,
    (
        select count(*) from outbound_forecast o
        where o.provider_no = p.provider_no and o.dead_at > now() - interval '7 days'
    ) as dead,
    coalesce(s.state::text, 'never invited') as state, s.state_since, s.last_heartbeat_at, s.offline_mode_at,
    s.last_error
from provider p
left join peer s using (provider_no)
left join (
    select provider_no, count(*) as waiting, min(created_at) as oldest_waiting_at
    from outbound_forecast
    where sent_at is null and superseded_at is null and dead_at is null
    group by provider_no
) as w using (provider_no)
order by p.provider_id;

-- name: console_cycles
select c.slot, c.attempts, c.decision_id, d.recorded_at, d.summary, c.stages
from cycle c
left join decision d using (decision_id)
where c.slot <= $1
order by c.slot desc
limit $2;

-- name: console_audit
-- What people did and what was decided, newest first.
select at, who, what, about, detail, number, is_decision
from (
    select at, who, what, about, detail, act_no as number, false as is_decision
    from act
    union all
    select d.recorded_at, 'Ampacity', 'decided: ' || d.kind, 'decision/' || d.decision_id,
        jsonb_build_object('for', d.made_at, 'summary', d.summary), d.decision_id, true
    from decision d
    where $6
) as line
where ($1 = '' or who = $1) and ($2 = '' or about = $2)
    and ($3 = '' or position(lower($3) in lower(what || ' ' || about || ' ' || detail::text)) > 0)
    and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)
order by at desc, is_decision, number desc
limit $7 offset $8;

-- name: one_decision
select decision_id, kind, made_at, recorded_at, settings, summary from decision where decision_id = $1;

-- name: provider_states
select p.provider_id, coalesce(s.state::text, 'never invited') as state
from provider p
left join peer s using (provider_no);

-- name: sessions_by_state
select state::text, count(*) as sessions from peer group by state;

-- name: revive_dead_letters
-- Try again what was given up in the last week; what a newer message replaced meanwhile is superseded when it is sent.
update outbound_forecast
set dead_at = null, attempts = 0, due_at = now(), last_error = null, lease_until = null
where provider_no = $1 and dead_at > now() - interval '7 days';
