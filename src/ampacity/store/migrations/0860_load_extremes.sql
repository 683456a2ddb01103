-- The lowest and highest loads that were seen in each hour of the week, of a block of elements: fallbacks rest on them
-- and on the days since, and so need not read eight weeks of loads.

create table load_extremes (
    first_no int not null,
    elements int not null check (elements > 0),
    made_at timestamptz not null,
    packed bytea not null,
    recorded_at timestamptz not null default now(),
    primary key (first_no, made_at)
);
comment on table load_extremes is 'made every day, kept for two; a decision stores the headroom that was made of it';
comment on column load_extremes.made_at is 'loads known at this moment count';
alter table load_extremes alter column packed set storage external;
alter table load_extremes set (autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1);
