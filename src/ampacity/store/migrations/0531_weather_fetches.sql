-- How fetching of weather goes, one row for each source: of several servers one fetches at a time.

create table weather_fetch (
    source text primary key,
    tried_at timestamptz not null,
    succeeded_at timestamptz,
    values_added int not null default 0,
    failures int not null default 0,
    failure text not null default ''
);
comment on table weather_fetch is 'wall clock; failures: attempts in a row that failed, with what the last one met';
