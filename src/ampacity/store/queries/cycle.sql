-- name: claim_cycle
-- Take a slot on: nobody had it, or its holder's lease ended before it was decided.
insert into cycle (slot, claimed_by, lease_until)
values ($1, $2, now() + $3)
on conflict (slot) do update
set claimed_by = excluded.claimed_by, claimed_at = now(), lease_until = excluded.lease_until,
    attempts = cycle.attempts + 1
where cycle.decision_id is null and cycle.lease_until < now()
returning attempts;

-- name: cycle_state
select slot, claimed_by, lease_until, attempts, decision_id, lease_until < now() as lease_ended
from cycle
where slot = $1;

-- name: renew_cycle
update cycle set lease_until = now() + $3
where slot = $1 and claimed_by = $2 and decision_id is null;

-- name: release_cycle
-- Give a slot back that was not decided, so that the next one need not wait for the lease.
update cycle set lease_until = now()
where slot = $1 and claimed_by = $2 and decision_id is null;

-- name: add_decision
insert into decision (kind, made_at, settings, summary)
values ($1, $2, $3, '{}')
returning decision_id;

-- name: finish_decision
update decision set summary = $2 where decision_id = $1;

-- name: finish_cycle
-- Bind the decision to its slot; no row: another one holds it by now.
update cycle set decision_id = $3, stages = $4
where slot = $1 and claimed_by = $2 and decision_id is null
returning slot;

-- name: decision_summary
select c.slot, d.decision_id, d.made_at, d.summary, c.stages
from cycle c
join decision d using (decision_id)
where c.slot = $1;

-- name: last_cycle
select c.slot, d.decision_id, d.made_at, d.summary, c.stages
from cycle c
join decision d using (decision_id)
order by c.slot desc
limit 1;

-- name: newest_allocation_blocks
-- Of each kind the newest allocation that a cycle made at or before $1, and what was decided on top of it since.
with newest as (
    select k.kind,
        (
            select a.decision_id
            from allocation_block a
            join decision d using (decision_id)
            where a.kind = k.kind and d.kind = 'cycle' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
            order by a.decision_id desc
            limit 1
        ) as decision_id
    from unnest(enum_range(null::forecast_kind)) as k (kind)
)
select a.kind, a.first_no, a.subjects, a.first_quarter, a.steps, a.step_quarters, a.capacity_w, a.bound_by,
    a.decision_id, d.kind = 'cycle' as is_cycle, d.made_at
from newest n
join allocation_block a on a.kind = n.kind and a.decision_id >= n.decision_id
join decision d on d.decision_id = a.decision_id
where d.made_at <= $1 and (a.decision_id = n.decision_id or d.kind <> 'cycle')
order by a.decision_id, a.first_no;

-- name: fallback_made_at
select max(d.made_at)
from decision d
where d.kind = 'cycle' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
    and exists (
        select from allocation_block a
        where a.decision_id = d.decision_id and a.kind = 'FALLBACK_CONSUMPTION'
    );

-- name: keep_model
insert into forecast_model (first_no, elements, made_at, fitted_at, state) values ($1, $2, $3, $4, $5);

-- name: newest_models
select distinct on (first_no) first_no, elements, made_at, fitted_at
from forecast_model
where made_at <= $1
order by first_no, made_at desc, model_id desc;

-- name: model_state
select state
from forecast_model
where first_no = $1 and made_at <= $2
order by made_at desc, model_id desc
limit 1;

-- name: group_owners
-- To whom each group's forecasts go.
select group_no, provider_no from current_contract order by group_no;
