-- What was decided, with what it was decided from.  Packed blocks as in 0002, float32
-- little-endian, of `subjects` subjects from `first_no` on.

create type decision_kind as enum ('cycle', 'request', 'emergency', 'override');

create table decision (
    decision_id bigint generated always as identity primary key,
    kind decision_kind not null,
    made_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    settings jsonb not null,
    summary jsonb not null
);
create index decision_by_time on decision (made_at desc);
comment on column decision.made_at is 'the time for which it was decided (the clock of the data); recorded_at is the clock of the wall';

-- A slot is decided once: the row is claimed with a lease, and the decision fills it in.
create table cycle (
    slot timestamptz primary key,
    claimed_by uuid not null,
    claimed_at timestamptz not null default now(),
    lease_until timestamptz not null,
    attempts int not null default 1,
    decision_id bigint unique references decision,
    stages jsonb
);
comment on table cycle is 'one row for each quarter hour that was taken on; decision_id null: not decided (yet)';

create table forecast_block (
    decision_id bigint not null references decision,
    first_no int not null,
    subjects int not null,
    first_quarter int not null,
    quarters int not null,
    levels real[] not null,
    source bytea not null,
    load_w bytea not null,
    primary key (decision_id, first_no)
);
alter table forecast_block alter column load_w set storage external;
comment on column forecast_block.load_w is 'non-controllable load [W], (level, element, phase, quarter)';
comment on column forecast_block.source is 'where each forecast comes from, one byte per (element, phase)';

create table headroom_block (
    decision_id bigint not null references decision,
    direction text not null check (direction in ('import', 'export', 'fallback_import', 'fallback_export')),
    first_no int not null,
    subjects int not null,
    first_quarter int not null,
    steps int not null,
    step_quarters int not null,
    headroom_w bytea not null,
    primary key (decision_id, direction, first_no)
);
alter table headroom_block alter column headroom_w set storage external;
comment on column headroom_block.headroom_w is '[W], (element, phase, step); a step is step_quarters quarters long';

create type forecast_kind as enum (
    'CONSUMPTION', 'GENERATION', 'FALLBACK_CONSUMPTION', 'FALLBACK_GENERATION', 'OPTIMUM'
);

create table allocation_block (
    decision_id bigint not null references decision,
    kind forecast_kind not null,
    first_no int not null,
    subjects int not null,
    first_quarter int not null,
    steps int not null,
    step_quarters int not null,
    capacity_w bytea not null,
    bound_by bytea not null,
    primary key (decision_id, kind, first_no)
);
create index allocation_block_newest on allocation_block (kind, decision_id desc);
alter table allocation_block alter column capacity_w set storage external;
alter table allocation_block alter column bound_by set storage external;
comment on column allocation_block.capacity_w is '[W], (group, step); a step is step_quarters quarters long';
comment on column allocation_block.bound_by is
    'int32, (group, step): number of the element that bound it, -1 the group''s own cap, -2 the fallback''s firm part';
