-- The guard of headroom keeps all phases of an element's quarter in one row: a third of the rows for each request, and
-- no look-up of the decision for each of them (it is read in the same statement).

alter table capacity_ledger rename to ledger_by_phase;
alter table ledger_by_phase rename constraint capacity_ledger_pkey to ledger_by_phase_pkey;

create table capacity_ledger (
    base_decision_id bigint not null,
    direction text not null check (direction in ('import', 'export')),
    element_no int not null,
    quarter int not null,
    room_w double precision[] not null,
    given_w double precision[] not null,
    primary key (base_decision_id, direction, element_no, quarter),
    constraint grants_stay_within_headroom check (
        given_w[1] <= greatest(room_w[1], 0) + 1.0
        and given_w[2] <= greatest(room_w[2], 0) + 1.0
        and given_w[3] <= greatest(room_w[3], 0) + 1.0
    ),
    constraint ledger_has_three_phases check (
        array_length(room_w, 1) = 3 and array_length(given_w, 1) = 3 and array_position(given_w, null) is null
    )
) with (fillfactor = 70);  -- so that what is added stays in the page
comment on table capacity_ledger is 'what requests were given since headroom was last decided, by element and quarter';
comment on column capacity_ledger.room_w is
    'of each phase headroom less all that was allocated, when the base was decided [W]; null where nothing was given';
comment on column capacity_ledger.given_w is
    'of each phase given on request since, less what was given back [W]; 1 W of slack for rounding';

insert into capacity_ledger
select base_decision_id, direction, element_no, quarter,
    array[max(room_w) filter (where phase = 1), max(room_w) filter (where phase = 2), max(room_w) filter (where phase = 3)],
    array[
        coalesce(max(given_w) filter (where phase = 1), 0),
        coalesce(max(given_w) filter (where phase = 2), 0),
        coalesce(max(given_w) filter (where phase = 3), 0)
    ]
from ledger_by_phase
group by base_decision_id, direction, element_no, quarter;

drop table ledger_by_phase;
