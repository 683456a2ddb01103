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
-- What is written in a transaction that waited for the gate is of the time after that.
insert into decision (kind, made_at, settings, summary, recorded_at)
values ($1, $2, $3, '{}', clock_timestamp())
returning decision_id;

-- name: begin_decision_period
select begin_decision_period($1, $2);

-- name: make_decision_partitions
select make_decision_partitions();

-- name: leave_figures_alone
-- Autovacuum does not look through partitions for being new.
select leave_figures_alone();

-- name: wait_little_for_locks
set local lock_timeout = '2s';

-- name: wait_least_for_locks
-- Who waits for a lock holds up those who come after it.
set local lock_timeout = '200ms';

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
-- Of each kind the newest allocation that a cycle made at or before $1, and what was decided on top of it since,
-- in the order of the commits; only decisions up to $2 of the chain, only the kinds $3, only blocks that hold groups
-- of the runs [$4, $5), where these are given.
-- Step by step, so that the planner looks decisions of two days up and never reads all that were ever made.
with newest as materialized (
    select k.kind, found.*
    from unnest(coalesce($3::forecast_kind[], enum_range(null::forecast_kind))) as k (kind)
    cross join lateral (
        select d.decision_id, d.made_at, c.seq
        from decision d
        join decision_chain c using (decision_id)
        where d.kind = 'cycle' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
            and ($2::bigint is null or c.seq <= $2)
            and exists (select from allocation_block a where a.decision_id = d.decision_id and a.kind = k.kind)
        order by d.made_at desc, c.seq desc
        limit 1
    ) as found
), since as materialized (
    select d.decision_id, d.made_at, c.seq
    from decision d
    join decision_chain c using (decision_id)
    where d.kind <> 'cycle' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
        and ($2::bigint is null or c.seq <= $2)
), held as materialized (
    select kind, decision_id, made_at, seq, true as is_cycle from newest
    union all
    select n.kind, s.decision_id, s.made_at, s.seq, false from newest n join since s on s.seq > n.seq
)
select a.kind, a.first_no, a.subjects, a.first_quarter, a.steps, a.step_quarters, a.capacity_w, a.bound_by,
    a.decision_id, h.is_cycle, h.made_at
from held h
cross join lateral (
    select * from allocation_block b where b.decision_id = h.decision_id and b.kind = h.kind
    offset 0  -- a look-up for each, in the partition where it is
) as a
where $4::int[] is null or exists (
        select from unnest($4::int[], $5::int[]) as r (start, stop)
        where a.first_no < r.stop and a.first_no + a.subjects > r.start
    )
order by h.seq, a.first_no;

-- name: fallback_made_at
-- Fallbacks of before an emergency, its end included, do not count: they are made anew.
select d.made_at
from decision d
join decision_chain c using (decision_id)
where d.kind = 'cycle' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
    and exists (
        select from allocation_block a
        where a.decision_id = d.decision_id and a.kind = 'FALLBACK_CONSUMPTION'
    )
    and not exists (
        select from emergency x
        join decision_chain after using (decision_id)
        where after.seq > c.seq
    )
order by d.made_at desc
limit 1;

-- name: keep_model
-- Of a block's models of one moment the first holds: bases of it name the moment only.
insert into forecast_model (first_no, elements, made_at, fitted_at, state)
select $1, $2, $3, $4, $5
where not exists (
    select from forecast_model where first_no = $1::int and elements = $2::int and made_at = $3::timestamptz
)
returning model_id;

-- name: newest_models
-- Of each block, or of the one that begins with $2.
select distinct on (first_no) first_no, elements, made_at, fitted_at
from forecast_model
where made_at <= $1 and ($2::int is null or first_no = $2)
order by first_no, made_at desc, model_id desc;

-- name: model_state
select state
from forecast_model
where first_no = $1 and made_at <= $2
order by made_at desc, model_id desc
limit 1;

-- name: group_owners
-- To whom the forecasts of these groups go.
select group_no, provider_no from current_contract where group_no = any ($1::int[]);

-- name: chain_length
select coalesce(max(seq), 0) from decision_chain;

-- name: decided_since
-- What was decided after $1 in the chain, in its order; of what was made at or before $2 the groups that were told so.
select c.seq, d.kind::text, d.made_at <= $2 as is_before, array(
        select distinct a.first_no + n
        from allocation_block a
        cross join lateral generate_series(0, a.subjects - 1) as n
        where a.decision_id = d.decision_id and d.kind = 'request' and d.made_at <= $2
    ) as groups
from decision_chain c
join decision d using (decision_id)
where c.seq > $1
order by c.seq;

-- name: told_since
-- Groups of whom something was decided that was made after $1, not by a cycle, by the kind of what they were told.
select a.kind, r.first_no, r.stop_no
from (
    select b.kind, range_agg(int4range(b.first_no, b.first_no + b.subjects)) as groups
    from decision d
    cross join lateral (
        select kind, first_no, subjects from allocation_block o where o.decision_id = d.decision_id
        offset 0  -- a look-up for each, in the partition where it is
    ) as b
    where d.kind <> 'cycle' and d.made_at > $1
    group by b.kind
) as a
cross join lateral (select lower(u) as first_no, upper(u) as stop_no from unnest(a.groups) as u) as r;

-- name: told_after
-- The same of what was decided after $1 in the chain.
select a.kind, r.first_no, r.stop_no
from (
    select b.kind, range_agg(int4range(b.first_no, b.first_no + b.subjects)) as groups
    from decision_chain c
    join decision d using (decision_id)
    cross join lateral (
        select kind, first_no, subjects from allocation_block o where o.decision_id = d.decision_id
        offset 0  -- a look-up for each, in the partition where it is
    ) as b
    where c.seq > $1 and d.kind <> 'cycle'
    group by b.kind
) as a
cross join lateral (select lower(u) as first_no, upper(u) as stop_no from unnest(a.groups) as u) as r;

-- name: headroom_rows
-- What a decision that is not committed yet wrote of these blocks.
select first_no, headroom_w
from headroom_block
where decision_id = $1 and direction = $2 and first_no = any ($3::int[]);

-- name: forecast_rows
-- What a decision that is not committed yet wrote of the elements from $2 to $3.
select first_no, subjects, quarters, levels, load_w
from forecast_block
where decision_id = $1 and first_no <= $3 and first_no + subjects > $2;

-- name: withdraw_capacities
-- Before it is committed a decision may think better of some groups; of one kind where that is given.
delete from allocation_block
where decision_id = $1 and first_no = any ($2::int[]) and ($3::forecast_kind is null or kind = $3);
