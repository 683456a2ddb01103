-- What operators impose on an element at once, for a time.
create table emergency (
    emergency_no bigint generated always as identity primary key,
    decision_id bigint not null references decision,
    element_no int not null references element,
    limit_w double precision not null check (limit_w >= 0),
    starts_at timestamptz not null,
    until timestamptz not null,
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default now(),
    constraint emergency_ends_later check (until >= starts_at)
);
comment on table emergency is 'the newest row of an element holds; one with until = starts_at ends what was imposed before';
comment on column emergency.limit_w is 'active power that the element may carry in either direction, all phases together';
