-- Series in partitions of a UTC month each, so that what is old is dropped at once and what is new stays small.
-- The blocks of decisions stay in one table each: they are reached by the number of their decision alone, which
-- keeps as quick in a large index, the hash of a decision and its foreign keys stand on them, and a decision goes
-- with all of its blocks.

alter table load_block rename to load_block_in_one;
alter index load_block_pkey rename to load_block_in_one_pkey;
alter index load_block_by_time rename to load_block_in_one_by_time;
drop view load_value;

create sequence load_block_no as bigint;

create table load_block (
    block_id bigint not null default nextval('load_block_no'),
    subject series_subject not null,
    first_no int not null check (first_no >= 0),
    subjects int not null check (subjects > 0),
    first_quarter int not null,
    quarters int not null check (quarters between 1 and 96),
    available_at timestamptz,
    recorded_at timestamptz not null default now(),
    load_w bytea not null,
    constraint values_fill_the_block check (octet_length(load_w) = subjects * 3 * quarters * 4),
    primary key (block_id, first_quarter)
) partition by range (first_quarter);
alter sequence load_block_no owned by load_block.block_id;
alter table load_block alter column load_w set storage external;
create index load_block_by_time on load_block (subject, first_quarter, first_no);
comment on table load_block is
    'measured mean power of elements [W, import positive], and what the flexible resources of groups drew; a partition for each UTC month';
comment on column load_block.available_at is
    'when the values became known; null: each one when its quarter had ended.  A later block corrects an earlier one.';

-- Called by whoever writes: the partitions of the months from one quarter to another are there afterwards.
-- Attached, not created in place: who reads or writes other months is not held up.
create function ensure_load_partitions(first_quarter int, last_quarter int) returns void
language plpgsql as $$
declare
    month timestamp := date_trunc('month', to_timestamp(first_quarter * 900.0) at time zone 'UTC');
    name text;
begin
    while month <= to_timestamp(last_quarter * 900.0) at time zone 'UTC' loop
        name := 'load_block_' || to_char(month, 'YYYY_MM');
        if to_regclass(name) is null then
            perform pg_advisory_xact_lock(4170211504);
            if to_regclass(name) is null then
                execute format('create table %I (like load_block including all)', name);
                execute format(
                    'alter table load_block attach partition %I for values from (%s) to (%s)', name,
                    (extract(epoch from month) / 900)::int,
                    (extract(epoch from month + interval '1 month') / 900)::int
                );
            end if;
        end if;
        month := month + interval '1 month';
    end loop;
end
$$;

-- Hold a month still, so that nothing is added between its export and its end.
create function hold_load_month(month text) returns void
language plpgsql as $$
begin
    execute format('lock table %I in share row exclusive mode', 'load_block_' || month);
end
$$;

-- Drop a month; gives how many blocks it held.
create function drop_load_month(month text) returns bigint
language plpgsql as $$
declare
    held bigint;
begin
    execute format('select count(*) from %I', 'load_block_' || month) into held;
    execute format('drop table %I', 'load_block_' || month);
    return held;
end
$$;

do $$
declare
    month record;
begin
    for month in
        select distinct date_trunc('month', to_timestamp(first_quarter * 900.0) at time zone 'UTC') as start
        from load_block_in_one
    loop
        perform ensure_load_partitions((extract(epoch from month.start) / 900)::int, (extract(epoch from month.start) / 900)::int);
    end loop;
end
$$;
insert into load_block (
    block_id, subject, first_no, subjects, first_quarter, quarters, available_at, recorded_at, load_w
)
select block_id, subject, first_no, subjects, first_quarter, quarters, available_at, recorded_at, load_w
from load_block_in_one
order by first_quarter, block_id;
select setval('load_block_no', greatest((select max(block_id) from load_block), 1));
drop table load_block_in_one;

create view load_value as
select b.subject, b.first_no + s as subject_no, p + 1 as phase,
    to_timestamp((b.first_quarter + q) * 900.0) as start,
    float32_at(b.load_w, (s * 3 + p) * b.quarters + q) as load_w,
    coalesce(b.available_at, to_timestamp((b.first_quarter + q + 1) * 900.0)) as available_at, b.block_id
from load_block b,
    generate_series(0, b.subjects - 1) as s, generate_series(0, 2) as p, generate_series(0, b.quarters - 1) as q;
