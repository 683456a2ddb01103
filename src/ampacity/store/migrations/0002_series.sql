-- Series as packed blocks: one row holds float32 little-endian values of `subjects` subjects
-- from number `first_no` on, three phases, `quarters` quarters from `first_quarter` on (quarters
-- since 1970-01-01T00:00Z), in that order: (subject, phase, quarter).  NaN: no value.

create type series_subject as enum ('element', 'group');

create table load_block (
    block_id bigint generated always as identity primary key,
    subject series_subject not null,
    first_no int not null check (first_no >= 0),
    subjects int not null check (subjects > 0),
    first_quarter int not null,
    quarters int not null check (quarters between 1 and 96),
    available_at timestamptz,
    recorded_at timestamptz not null default now(),
    load_w bytea not null,
    constraint values_fill_the_block check (octet_length(load_w) = subjects * 3 * quarters * 4)
);
alter table load_block alter column load_w set storage external;
create index load_block_by_time on load_block (subject, first_quarter, first_no);

comment on table load_block is 'measured mean power of elements [W, import positive], and what the flexible resources of groups drew';
comment on column load_block.available_at is
    'when the values became known; null: each one when its quarter had ended.  A later block corrects an earlier one.';

-- float32 out of a packed block, for people and tools.
create function float32_at(packed bytea, place int) returns real
language sql immutable strict parallel safe
return (
    select case
        when e = 255 then 'NaN'::real
        when e = 0 then 0::real
        else (sign * (1 + mantissa / 8388608.0) * power(2.0::double precision, e - 127))::real
    end
    from (
        select case when b3 >= 128 then -1 else 1 end as sign,
            (b3 % 128) * 2 + b2 / 128 as e,
            ((b2 % 128) * 65536 + b1 * 256 + b0)::double precision as mantissa
        from (
            select get_byte(packed, place * 4) as b0, get_byte(packed, place * 4 + 1) as b1,
                get_byte(packed, place * 4 + 2) as b2, get_byte(packed, place * 4 + 3) as b3
        ) as bytes
    ) as parts
);

create view load_value as
select b.subject, b.first_no + s as subject_no, p + 1 as phase,
    to_timestamp((b.first_quarter + q) * 900.0) as start,
    float32_at(b.load_w, (s * 3 + p) * b.quarters + q) as load_w,
    coalesce(b.available_at, to_timestamp((b.first_quarter + q + 1) * 900.0)) as available_at, b.block_id
from load_block b,
    generate_series(0, b.subjects - 1) as s, generate_series(0, 2) as p, generate_series(0, b.quarters - 1) as q;

create table weather_cell (
    cell_no int generated always as identity primary key,
    latitude double precision not null,
    longitude double precision not null,
    constraint cell_known_once unique (latitude, longitude)
);

create table weather_value (
    cell_no int not null references weather_cell,
    valid_at timestamptz not null,
    available_at timestamptz,
    temperature_c real,
    global_radiation_w_m2 real,
    wind_speed_m_s real,
    recorded_at timestamptz not null default now(),
    constraint weather_known_once unique nulls not distinct (cell_no, valid_at, available_at)
);

comment on column weather_value.available_at is
    'when the value became known; at or after valid_at: observed; before: a forecast; null: unknown, used as if known beforehand';
comment on column weather_value.global_radiation_w_m2 is 'mean of the interval that ends at valid_at';
