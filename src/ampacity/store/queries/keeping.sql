-- name: table_sizes
-- Every table with its indexes and what is stored beside it [bytes], largest first.
select t.relname as table_name, sum(pg_total_relation_size(c.oid))::bigint as bytes,
    sum(greatest(c.reltuples, 0))::bigint as about_rows, count(*) filter (where c.relispartition) as partitions
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_class t on t.oid = coalesce(pg_partition_root(c.oid), c.oid)
where n.nspname = 'public' and c.relkind = 'r'
group by t.relname
order by bytes desc, table_name;

-- name: bytes_of_last_day
-- What the last day of decisions and measurements took, packed values alone [bytes].
with newest as (
    select max(made_at) as made_at from decision where kind = 'cycle'
), decided as (
    select d.decision_id, d.made_at
    from decision d, newest n
    where d.made_at > n.made_at - interval '1 day'
), numbers as (
    select decision_id from decided
)
select
    (select count(*) from decided) as decisions,
    (select extract(epoch from max(made_at) - min(made_at)) / 86400.0 from decided)::float8 as days,
    (
        select coalesce(sum(octet_length(b.load_w)), 0)
        from forecast_block b
        where b.decision_id >= (select min(decision_id) from decided) and b.decision_id in (table numbers)
    )::bigint as forecast_block,
    (
        select coalesce(sum(octet_length(b.headroom_w)), 0)
        from headroom_block b
        where b.decision_id >= (select min(decision_id) from decided) and b.decision_id in (table numbers)
    )::bigint as headroom_block,
    (
        select coalesce(sum(octet_length(b.capacity_w) + pg_column_size(b.bound_by)), 0)
        from allocation_block b
        where b.decision_id >= (select min(decision_id) from decided) and b.decision_id in (table numbers)
    )::bigint as allocation_block,
    (select count(*) * 250 from outbound_forecast join decided using (decision_id))::bigint as outbound_forecast,
    (select coalesce(sum(octet_length(load_w)), 0)
        from load_block, newest n
        where first_quarter >= extract(epoch from n.made_at) / 900 - 96)::bigint as load_block;

-- name: old_decision_partitions
-- Partitions of figures, the newest one left out, of whose decisions none was made at or after $1, none has a message that
-- waits to be sent, and none is the newest with capacities of a kind or with headroom under fallbacks: oldest first.
with newest as (
    select (
            select a.decision_id from allocation_block a where a.kind = k.kind order by a.decision_id desc limit 1
        ) as decision_id
    from unnest(enum_range(null::forecast_kind)) as k (kind)
), waiting as (
    select distinct decision_id
    from outbound_forecast
    where sent_at is null and superseded_at is null and dead_at is null
)
select p.part, p.first_id, p.behind_id
from decision_partition p
where p.behind_id <= (select max(decision_id) from decision)
    and exists (select from decision d where d.decision_id >= p.first_id and d.decision_id < p.behind_id)
    and not exists (
        select from decision d where d.decision_id >= p.first_id and d.decision_id < p.behind_id and d.made_at >= $1
    )
    and not exists (select from newest n where n.decision_id >= p.first_id and n.decision_id < p.behind_id)
    and not exists (select from waiting w where w.decision_id >= p.first_id and w.decision_id < p.behind_id)
order by p.behind_id;

-- name: decisions_of_partition
-- Decisions with numbers in [$1, $2), the next $4 after $3.
select decision_id from decision
where decision_id >= $1 and decision_id < $2 and decision_id > $3
order by decision_id
limit $4;

-- name: drop_decision_partition
select drop_decision_partition($1);

-- name: prune_away
delete from decision_away where decision_id >= $1 and decision_id < $2;

-- name: prune_ledger
delete from capacity_ledger where base_decision_id >= $1 and base_decision_id < $2;

-- name: note_pruned
insert into pruned_decision (decision_id)
select decision_id from decision where decision_id >= $1 and decision_id < $2
on conflict do nothing
returning decision_id;

-- name: prune_messages
-- Messages that are done with, made before $1.
delete from outbound_forecast
where created_at < $1 and (sent_at is not null or superseded_at is not null or dead_at is not null);

-- name: prune_models
-- Models made before $1, but for the one of each block that held then: what is kept was made with it or a newer one.
delete from forecast_model m
where m.made_at < $1
    and exists (
        select from forecast_model n
        where n.first_no = m.first_no and n.made_at <= $1 and (n.made_at, n.model_id) > (m.made_at, m.model_id)
    );

-- name: load_months_before
-- Months of measurements that end at or before quarter $1, oldest first.
select month, (extract(epoch from start) / 900)::int as first_quarter,
    (extract(epoch from start + interval '1 month') / 900)::int as behind_quarter
from (
    select substring(c.relname from '\d{4}_\d{2}$') as month,
        to_date(substring(c.relname from '\d{4}_\d{2}$'), 'YYYY_MM') as start
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'load_block'::regclass
) as months
where extract(epoch from start + interval '1 month') / 900 <= $1
order by start;

-- name: hold_load_month
select hold_load_month($1);

-- name: drop_load_month
select drop_load_month($1);

-- name: loads_of_month
-- Blocks that start in quarters [$1, $2), the next $4 after block $3.
select block_id, subject::text, first_no, subjects, first_quarter, quarters, available_at, recorded_at, load_w
from load_block
where first_quarter >= $1 and first_quarter < $2 and block_id > $3
order by block_id
limit $4;

-- name: forecasts_of_decisions
select b.decision_id, d.made_at, b.first_no, b.subjects, b.first_quarter, b.quarters, b.levels, b.source, b.load_w
from forecast_block b
join decision d using (decision_id)
where b.decision_id = any ($1::bigint[])
order by b.decision_id, b.first_no;

-- name: headrooms_of_decisions
select b.decision_id, d.made_at, b.direction, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters,
    b.headroom_w
from headroom_block b
join decision d using (decision_id)
where b.decision_id = any ($1::bigint[])
order by b.decision_id, b.direction, b.first_no;

-- name: capacities_of_decisions
select b.decision_id, d.made_at, b.kind::text, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters,
    b.capacity_w, b.bound_by
from allocation_block b
join decision d using (decision_id)
where b.decision_id = any ($1::bigint[])
order by b.decision_id, b.kind, b.first_no;
