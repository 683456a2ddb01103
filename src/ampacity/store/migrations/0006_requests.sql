-- What providers ask for (AdjustGroupCapacityForecast), and each step of its life.

create table capacity_request (
    request_no bigint generated always as identity primary key,
    provider_no int not null references provider,
    group_no int not null references capacity_group,
    kind forecast_kind not null,
    request_id text not null,
    content_hash bytea not null,
    received_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    first_quarter int not null,
    quarters int not null check (quarters > 0),
    wanted_w bytea not null,
    constraint request_known_once unique (provider_no, request_id),
    constraint wanted_fills_the_window check (octet_length(wanted_w) = quarters * 4)
);
comment on column capacity_request.wanted_w is 'the wanted total per quarter [W], float32; NaN where nothing is asked';
comment on column capacity_request.received_at is 'by the clock of the data';

create type request_step as enum (
    'received', 'granted', 'partly', 'refused', 'returned', 'published', 'active', 'expired', 'released', 'revoked'
);

create table request_event (
    event_no bigint generated always as identity primary key,
    request_no bigint not null references capacity_request,
    step request_step not null,
    at timestamptz not null,
    recorded_at timestamptz not null default now(),
    decision_id bigint references decision,
    reason text not null default '',
    detail jsonb not null default '{}'
);
create unique index request_decided_once on request_event (request_no) where step in ('granted', 'partly', 'refused', 'returned');
create index request_event_story on request_event (request_no, event_no);

-- What a decided request lets its group hold, until the end of its last quarter: a row for the quarters
-- in which it was given more, one for those in which it gave back.
create table request_outcome (
    request_no bigint not null references capacity_request,
    is_return boolean not null,
    decision_id bigint not null references decision,
    group_no int not null references capacity_group,
    kind forecast_kind not null,
    first_quarter int not null,
    quarters int not null,
    held_w bytea not null,
    primary key (request_no, is_return),
    constraint held_fills_the_window check (octet_length(held_w) = quarters * 4)
);
create index request_outcome_running on request_outcome ((first_quarter + quarters), kind);
comment on column request_outcome.held_w is
    'total per quarter [W], float32, NaN where the request says nothing: at least this after a grant, at most this after a return';
