-- The grid.  An element, group or provider keeps its number for ever; what is known of it
-- is a row of its own for each time it changed, so that any past decision can be replayed.

create table provider (
    provider_no int primary key,
    provider_id text not null constraint provider_id_known_once unique,
    name text not null,
    recorded_at timestamptz not null default now()
);

create table element (
    element_no int primary key,
    element_id text not null constraint element_id_known_once unique,
    recorded_at timestamptz not null default now()
);

create table element_version (
    element_no int not null references element,
    version int not null,
    kind text not null,
    parent_no int references element,
    nominal_voltage_v double precision not null check (nominal_voltage_v > 0),
    rated_current_a double precision check (rated_current_a > 0),
    rated_power_va double precision check (rated_power_va > 0),
    phases text not null check (phases ~ '^1?2?3?$' and phases <> ''),
    latitude double precision,
    longitude double precision,
    name text not null,
    recorded_at timestamptz not null default now(),
    primary key (element_no, version),
    constraint one_rating check (num_nonnulls(rated_current_a, rated_power_va) = 1)
);

create table capacity_group (
    group_no int primary key,
    group_id text not null constraint group_id_known_once unique,
    recorded_at timestamptz not null default now()
);

create table contract (
    group_no int not null references capacity_group,
    version int not null,
    provider_no int not null references provider,
    element_no int not null references element,
    phases text not null check (phases ~ '^1?2?3?$' and phases <> ''),
    contracted_import_w double precision not null check (contracted_import_w >= 0),
    firm_import_w double precision not null check (firm_import_w between 0 and contracted_import_w),
    contracted_export_w double precision not null check (contracted_export_w >= 0),
    firm_export_w double precision not null check (firm_export_w between 0 and contracted_export_w),
    unit text not null check (unit in ('A', 'W', 'KW')),
    recorded_at timestamptz not null default now(),
    primary key (group_no, version)
);

comment on table element_version is 'what is known of an element, a row for each time it changed; the highest version holds';
comment on table contract is 'what a group may use, a row for each time it changed; the highest version holds';

create view current_element as
select distinct on (v.element_no) e.element_id, v.*
from element_version v
join element e using (element_no)
order by v.element_no, v.version desc;

create view current_contract as
select distinct on (c.group_no) g.group_id, p.provider_id, c.*
from contract c
join capacity_group g using (group_no)
join provider p using (provider_no)
order by c.group_no, c.version desc;
