-- name: grid_version
-- The newest change of the grid.
select coalesce((select max(change_no) from element_version), 0) as element_changes,
    coalesce((select max(change_no) from contract), 0) as contract_changes;

-- name: add_decision_input
-- No row where the grid has changed since it was read.
insert into decision_input (
    decision_id, rule, rule_version, element_changes, contract_changes, decisions_up_to, need_wh, need_cap_w
)
select $1, $2, $3, $4, $5, coalesce((select max(seq) from decision_chain), 0), $6, $7
where $4 = coalesce((select max(change_no) from element_version), 0)
    and $5 = coalesce((select max(change_no) from contract), 0)
returning decision_id;

-- name: add_decision_away
insert into decision_away (decision_id, group_nos, quarters, told_nos, told_import_w, told_export_w)
values ($1, $2, $3, $4, $5, $6);

-- name: decision_away
select group_nos, quarters, told_nos, told_import_w, told_export_w
from decision_away
where decision_id = $1;

-- name: decision_record
select d.decision_id, d.kind, d.made_at, d.settings, d.summary, i.rule, i.rule_version, i.element_changes,
    i.contract_changes, i.decisions_up_to, i.need_wh, i.need_cap_w
from decision d
left join decision_input i using (decision_id)
where d.decision_id = $1;

-- name: grid_elements_at
-- What was known of every element at a change, by number.
select distinct on (v.element_no) v.element_no, e.element_id, v.kind, v.parent_no, v.nominal_voltage_v, v.rated_current_a,
    v.rated_power_va, v.phases, v.latitude, v.longitude, v.name, v.connections, v.version
from element_version v
join element e using (element_no)
where v.change_no <= $1
order by v.element_no, v.version desc;

-- name: grid_groups_at
-- The contract that was in force of every group at a change, by number.
select distinct on (c.group_no) c.group_no, g.group_id, p.provider_id, c.provider_no, c.element_no, c.phases,
    c.contracted_import_w, c.firm_import_w, c.contracted_export_w, c.firm_export_w, c.unit,
    c.all_or_nothing, c.version
from contract c
join capacity_group g using (group_no)
join provider p using (provider_no)
where c.change_no <= $1
order by c.group_no, c.version desc;

-- name: headroom_of_decision
select first_no, subjects, first_quarter, steps, step_quarters, headroom_w
from headroom_block
where decision_id = $1 and direction = $2
order by first_no;

-- name: forecast_of_decision
select first_no, subjects, quarters, levels, load_w
from forecast_block
where decision_id = $1
order by first_no;

-- name: allocations_of_decision
select kind, first_no, subjects, first_quarter, steps, step_quarters, capacity_w, bound_by
from allocation_block
where decision_id = $1
order by kind, first_no;

-- name: requests_by_number
select r.request_no, r.provider_no, r.group_no, r.kind, r.request_id, r.received_at, r.first_quarter, r.quarters, r.wanted_w,
    '{}'::text[] as repeats
from capacity_request r
where r.request_no = any ($1::bigint[])
order by array_position($1::bigint[], r.request_no);

-- name: headroom_base
-- The decision whose headroom held for a decision that knew the chain up to $1.
select d.decision_id
from decision d
join decision_chain c using (decision_id)
where c.is_headroom and c.seq <= $1 and d.made_at <= $2
order by c.seq desc
limit 1;

-- name: broken_links
-- Decisions whose content or place in the chain is not what was chained, from seq $1 on, oldest first.
select c.seq, c.decision_id,
    p.decision_id is null and c.content_hash is distinct from decision_content_hash(c.decision_id) as content_changed,
    c.hash is distinct from sha256(coalesce(before.hash, ''::bytea) || c.content_hash)
        or (c.seq > 1 and before.seq is null) as link_broken
from decision_chain c
left join decision_chain before on before.seq = c.seq - 1
left join pruned_decision p on p.decision_id = c.decision_id
where c.seq >= $1
    and (
        (p.decision_id is null and c.content_hash is distinct from decision_content_hash(c.decision_id))
        or c.hash is distinct from sha256(coalesce(before.hash, ''::bytea) || c.content_hash)
        or (c.seq > 1 and before.seq is null)
    )
order by c.seq
limit 100;

-- name: chain_head
select seq, decision_id, hash from decision_chain order by seq desc limit 1;

-- name: newest_decisions
select decision_id from decision where decision_id <= $1 order by decision_id desc limit $2;

-- name: cycle_slots
select slot from cycle where slot >= $1 and slot < $2 and decision_id is not null order by slot;

-- name: answer_counts
-- Requests received in [$1, $2) by provider; the time to the answer is that of the wall.
select r.provider_no, count(*)::int as asked,
    (count(*) filter (where e.step = 'granted'))::int as granted,
    (count(*) filter (where e.step = 'partly'))::int as partly,
    (count(*) filter (where e.step = 'refused'))::int as refused,
    (count(*) filter (where e.step = 'returned'))::int as returned,
    (count(*) filter (where exists (
        select from request_event v where v.request_no = r.request_no and v.step = 'revoked')))::int as revoked,
    percentile_cont(0.5) within group (order by extract(epoch from e.recorded_at - r.recorded_at)::double precision)
        as median_answer_s,
    max(extract(epoch from e.recorded_at - r.recorded_at)::double precision) as slowest_answer_s
from capacity_request r
left join request_event e on e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
where r.received_at >= $1 and r.received_at < $2
group by r.provider_no
order by r.provider_no;
