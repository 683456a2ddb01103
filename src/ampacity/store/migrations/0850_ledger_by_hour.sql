-- The guard of headroom keeps all quarters and phases of an element's hour in one row: most requests are about whole
-- hours, so that a decision enters a quarter of the rows.

alter table capacity_ledger rename to ledger_by_quarter;
alter table ledger_by_quarter rename constraint capacity_ledger_pkey to ledger_by_quarter_pkey;

create table capacity_ledger (
    base_decision_id bigint not null,
    direction text not null check (direction in ('import', 'export')),
    element_no int not null,
    hour int not null,
    room_w double precision[] not null,
    given_w double precision[] not null,
    primary key (base_decision_id, direction, element_no, hour),
    constraint grants_stay_within_headroom check (
        given_w[1] <= greatest(room_w[1], 0) + 1.0
        and given_w[2] <= greatest(room_w[2], 0) + 1.0
        and given_w[3] <= greatest(room_w[3], 0) + 1.0
        and given_w[4] <= greatest(room_w[4], 0) + 1.0
        and given_w[5] <= greatest(room_w[5], 0) + 1.0
        and given_w[6] <= greatest(room_w[6], 0) + 1.0
        and given_w[7] <= greatest(room_w[7], 0) + 1.0
        and given_w[8] <= greatest(room_w[8], 0) + 1.0
        and given_w[9] <= greatest(room_w[9], 0) + 1.0
        and given_w[10] <= greatest(room_w[10], 0) + 1.0
        and given_w[11] <= greatest(room_w[11], 0) + 1.0
        and given_w[12] <= greatest(room_w[12], 0) + 1.0
    ),
    constraint ledger_has_three_phases_of_four_quarters check (
        array_length(room_w, 1) = 12 and array_length(given_w, 1) = 12 and array_position(given_w, null) is null
    )
) with (fillfactor = 70);  -- so that what is added stays in the page
comment on table capacity_ledger is 'what requests were given since headroom was last decided, by element and hour';
comment on column capacity_ledger.hour is 'a fourth of its first quarter; three phases of that one come first';
comment on column capacity_ledger.room_w is
    'of each phase headroom less all that was allocated, when the base was decided [W]; null where nothing was given';
comment on column capacity_ledger.given_w is
    'of each phase given on request since, less what was given back [W]; 1 W of slack for rounding';

insert into capacity_ledger
select l.base_decision_id, l.direction, l.element_no, l.hour,
    array_agg(q.room_w[p.phase] order by p.quarter, p.phase),
    array_agg(coalesce(q.given_w[p.phase], 0) order by p.quarter, p.phase)
from (
    select distinct base_decision_id, direction, element_no, floor(quarter / 4.0)::int as hour from ledger_by_quarter
) as l
cross join (
    select quarter, phase from generate_series(0, 3) as quarter, generate_series(1, 3) as phase
) as p
left join ledger_by_quarter q on q.base_decision_id = l.base_decision_id and q.direction = l.direction
    and q.element_no = l.element_no and q.quarter = 4 * l.hour + p.quarter
group by l.base_decision_id, l.direction, l.element_no, l.hour;

drop table ledger_by_quarter;
