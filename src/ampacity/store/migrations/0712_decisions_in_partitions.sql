-- The figures of decisions in partitions, so that what is old is dropped at once.  A partition holds a million numbers
-- of decisions; the first cycle of a week goes on with the next million, and where much is written that of each day.  The
-- number is what figures are reached by, so each look-up finds its partition by itself, a decision has all its figures
-- in one partition of each table, and the keys are what they were.
-- What was decided before stays as it lies: the tables there were become the first partitions, nothing is copied.

create table decision_period (
    begins date primary key,
    part_no bigint not null,
    begun_at timestamptz not null default now()
);
comment on table decision_period is
    'when partitions of figures were begun (UTC, by the clock of the data); part_no: the millions of their numbers';

do $$
declare
    part bigint := (select coalesce(max(decision_id), 0) / 1000000 from decision);
    behind bigint := (part + 1) * 1000000;
    name text;
    old text;
begin
    foreach name in array array['forecast_block', 'headroom_block', 'allocation_block'] loop
        old := name || '_' || lpad(part::text, 6, '0');
        execute format('drop trigger %I on %I', 'digest_' || name, name);
        execute format('alter table %I rename to %I', name, old);
        execute format('alter index %I rename to %I', name || '_pkey', old || '_pkey');
        if name = 'allocation_block' then
            execute format('alter index %I rename to %I', name || '_newest', old || '_newest');
        end if;
        execute format('create table %I (like %I including all) partition by range (decision_id)', name, old);
        execute format(
            'alter table %I add constraint %I foreign key (decision_id) references decision', name,
            name || '_decision_id_fkey'
        );
        execute format('alter table %I attach partition %I for values from (minvalue) to (%s)', name, old, behind);
        execute format(
            'create trigger %I before insert on %I for each row when (new.digest is null) execute function %I()',
            'digest_' || name, name, 'digest_' || name
        );
    end loop;
end
$$;

-- Partitions for the next numbers are there afterwards, those of the million in use and of two more.
create function make_decision_partitions() returns void
language plpgsql as $$
declare
    used bigint := coalesce(pg_sequence_last_value(pg_get_serial_sequence('decision', 'decision_id')), 0) / 1000000;
    part bigint;
    name text;
    made text;
begin
    if to_regclass('allocation_block_' || lpad((used + 2)::text, 6, '0')) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(4170211505);
    for part in used .. used + 2 loop
        foreach name in array array['forecast_block', 'headroom_block', 'allocation_block'] loop
            made := name || '_' || lpad(part::text, 6, '0');
            if to_regclass(made) is null then
                execute format('create table %I (like %I including all)', made, name);
                execute format(
                    'alter table %I attach partition %I for values from (%s) to (%s)', name, made, part * 1000000,
                    (part + 1) * 1000000
                );
            end if;
        end loop;
    end loop;
end
$$;
select make_decision_partitions();

-- The first cycle of a week, or of a day where the figures of the period take so much [bytes], begins with numbers of a
-- new partition; what is being decided keeps the one it has.
create function begin_decision_period(made_at timestamptz, large bigint) returns void
language plpgsql as $$
declare
    today date := (made_at at time zone 'UTC')::date;
    numbers regclass := pg_get_serial_sequence('decision', 'decision_id');
    used bigint;
    newest decision_period;
begin
    select * into newest from decision_period order by begins desc limit 1;
    if newest.begins >= today then
        return;
    end if;
    perform pg_advisory_xact_lock(4170211505);
    select * into newest from decision_period order by begins desc limit 1;
    used := pg_sequence_last_value(numbers);
    if newest is null and used is null then
        insert into decision_period (begins, part_no) values (today, 0);
    elsif newest is null or newest.begins <= today - 7 or (
        newest.begins < today and large <= (
            select coalesce(sum(pg_total_relation_size(to_regclass(name || '_' || lpad((used / 1000000)::text, 6, '0')))), 0)
            from unnest(array['forecast_block', 'headroom_block', 'allocation_block']) as name
        )
    ) then
        perform setval(numbers, (used / 1000000 + 1) * 1000000 - 1);
        insert into decision_period (begins, part_no) values (today, used / 1000000 + 1);
    end if;
end
$$;

-- Partitions with the numbers of their decisions, [first_id, behind_id), in their order.
create view decision_partition as
select part, lag(behind_id, 1, 0::bigint) over (order by behind_id) as first_id, behind_id
from (
    select substring(c.relname from '\d+$') as part, (substring(c.relname from '\d+$')::bigint + 1) * 1000000 as behind_id
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'allocation_block'::regclass
) as parts;

create function drop_decision_partition(part text) returns void
language plpgsql as $$
begin
    execute format('drop table %I, %I, %I', 'forecast_block_' || part, 'headroom_block_' || part, 'allocation_block_' || part);
end
$$;

-- The same functions as before, on the tables that have the names now.
create or replace function decision_blocks_hash(of_decision bigint) returns bytea
language sql stable
begin atomic
    select sha256(
        convert_to(
            concat_ws(
                '|', d.decision_id, d.kind, extract(epoch from d.made_at), d.settings, d.summary,
                i.rule, i.rule_version, i.element_changes, i.contract_changes, i.decisions_up_to
            ),
            'UTF8'
        )
        || coalesce(i.need_wh, '')
        || coalesce(
            (
                select string_agg(
                    case when current_setting('ampacity.as_written', true) = 'on' and b.digest is not null
                        then b.digest
                        else sha256(convert_to(concat_ws('|', b.first_no, b.subjects, b.first_quarter, b.quarters, b.levels), 'UTF8')
                        || b.source || b.load_w)
                    end, '' order by b.first_no
                )
                from forecast_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    case when current_setting('ampacity.as_written', true) = 'on' and b.digest is not null
                        then b.digest
                        else sha256(convert_to(concat_ws(
                        '|', b.direction, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters), 'UTF8')
                        || b.headroom_w)
                    end, '' order by b.direction, b.first_no
                )
                from headroom_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    case when current_setting('ampacity.as_written', true) = 'on' and b.digest is not null
                        then b.digest
                        else sha256(convert_to(concat_ws(
                        '|', b.kind, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters), 'UTF8')
                        || b.capacity_w || b.bound_by)
                    end, '' order by b.kind, b.first_no
                )
                from allocation_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    sha256(convert_to(concat_ws('|', o.request_no, o.is_return, o.group_no, o.kind, o.first_quarter), 'UTF8')
                        || o.held_w), '' order by o.request_no, o.is_return
                )
                from request_outcome o where o.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    sha256(convert_to(concat_ws(
                        '|', e.request_no, e.step, extract(epoch from e.at), e.reason, e.detail), 'UTF8')),
                    '' order by e.event_no
                )
                from request_event e where e.decision_id = d.decision_id and e.step in ('granted', 'partly', 'refused', 'returned')
            ), ''
        )
    )
    from decision d
    left join decision_input i using (decision_id)
    where d.decision_id = of_decision;
end;

create or replace function decision_content_hash(of_decision bigint) returns bytea
language sql stable
begin atomic
    select case
        when f.weather_free is null then decision_inputs_hash(of_decision)
        else sha256(decision_inputs_hash(of_decision) || f.weather_free)
    end
    from (
        select string_agg(sha256(weather_free), '' order by first_no) as weather_free
        from forecast_block
        where decision_id = of_decision
    ) f;
end;
