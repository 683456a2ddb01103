-- What providers report of their groups: each message as it came, then its readings.
-- `received_at` and `measured_at` are by the clock of the data, `recorded_at` by the wall's.

create table usage_message (
    message_no bigint generated always as identity primary key,
    provider_no int not null references provider,
    group_no int not null references capacity_group,
    request_id text not null,
    content_hash bytea not null,
    received_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    readings bytea not null,
    settled_at timestamptz,
    constraint usage_known_once unique (provider_no, request_id)
);
create index usage_message_unsettled on usage_message (message_no) where settled_at is null;
comment on column usage_message.readings is 'JSON array of readings in our own words';

create table meter_reading (
    reading_no bigint generated always as identity primary key,
    message_no bigint not null references usage_message,
    group_no int not null references capacity_group,
    asset_id text not null default '',
    category text not null default '',
    quantity text not null check (quantity in ('Wh', 'W', 'A')),
    phase smallint not null check (phase between 0 and 3),
    direction text not null check (direction in ('NET', 'IMPORT', 'EXPORT')),
    energy_type text not null check (energy_type in ('TOTAL', 'FLEXIBLE', 'NONFLEXIBLE')),
    measured_at timestamptz not null,
    since timestamptz,
    value double precision not null,
    fault text,
    quarantined_because text
);
create index meter_reading_by_time on meter_reading (group_no, measured_at);
comment on column meter_reading.phase is '0: all phases together';
comment on column meter_reading.since is 'when its register started to count; null: a register that never restarts';
comment on column meter_reading.fault is 'why it cannot be right, whatever the others say: it is never used';
comment on column meter_reading.quarantined_because is 'why it does not fit the others, as judged with all that is known by now';
comment on column meter_reading.asset_id is 'empty: the group as a whole';

create table usage_count (
    group_no int not null references capacity_group,
    settled_at timestamptz not null,
    what text not null,
    readings int not null,
    recorded_at timestamptz not null default now()
);
comment on table usage_count is 'how many readings of a settlement were duplicates, resets, late, overlapping or quarantined';

create table compliance_error (
    error_no bigint generated always as identity primary key,
    provider_no int not null references provider,
    request_id text not null,
    content_hash bytea not null,
    correlation_id text,
    message_id bigint,
    group_no int references capacity_group,
    message text not null,
    detail jsonb,
    received_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    constraint complaint_known_once unique (provider_no, request_id)
);
create index compliance_error_of_group on compliance_error (group_no, received_at desc);
comment on column compliance_error.message_id is 'the outbound forecast that it is about (which may have been cleared away since); null: the link was missing or unknown';

create index outbound_forecast_by_request on outbound_forecast (request_id);
create index outbound_forecast_newest on outbound_forecast (group_no, kind, message_id desc);
