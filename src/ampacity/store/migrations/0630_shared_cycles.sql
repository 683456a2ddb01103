-- Several servers share one cycle: who decides it lays its blocks of elements out, and any server takes from them.

alter table cycle add column plan bytea;
comment on column cycle.plan is 'a digest of what its forecasts rest on; a server whose plan is another one does not help';

-- Not logged: after a crash of the database the cycle is begun anew, and its blocks with it.
create unlogged table cycle_block (
    holder uuid not null,
    first_no int not null,
    slot timestamptz not null,
    taken_by uuid,
    lease_until timestamptz,
    result bytea,
    primary key (holder, first_no),
    constraint handed_in_by_somebody check (result is null or taken_by is not null)
);
alter table cycle_block alter column result set storage external;
comment on table cycle_block is
    'blocks of elements that a cycle under way lacks a forecast of: a row goes as soon as who decides the cycle has taken it';
comment on column cycle_block.holder is 'who decides the cycle, as in cycle.claimed_by';
comment on column cycle_block.taken_by is 'another server that makes the forecast, as long as its lease runs; result is what it made';
