-- The database's own guard: what requests were given since headroom was last decided, per element,
-- phase and quarter, never exceeds what was free then.  Deciders add to it; whoever acted on stale
-- figures, or twice, violates the constraint and nothing of its decision is kept.
create table capacity_ledger (
    base_decision_id bigint not null references decision,
    direction text not null check (direction in ('import', 'export')),
    element_no int not null,
    phase smallint not null check (phase between 1 and 3),
    quarter int not null,
    room_w double precision not null,
    given_w double precision not null,
    primary key (base_decision_id, direction, element_no, phase, quarter),
    constraint grants_stay_within_headroom check (given_w <= greatest(room_w, 0) + 1.0)
);
comment on column capacity_ledger.room_w is 'headroom less all that was allocated, when the base was decided [W]';
comment on column capacity_ledger.given_w is 'given on request since, less what was given back [W]; 1 W of slack for rounding';
