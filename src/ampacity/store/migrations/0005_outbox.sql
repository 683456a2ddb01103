-- Messages to be sent, written in the transaction of the decision that caused them.
-- A row refers to the allocation block that holds its figures; the protocol encodes it when it sends.

create table outbound_forecast (
    message_id bigint generated always as identity primary key,
    decision_id bigint not null references decision,
    kind forecast_kind not null,
    provider_no int not null references provider,
    group_no int not null references capacity_group,
    correlation_id text,
    request_id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    attempts int not null default 0,
    leased_by uuid,
    lease_until timestamptz,
    sent_at timestamptz,
    superseded_at timestamptz,
    dead_at timestamptz,
    last_error text
);
create index outbound_forecast_waiting on outbound_forecast (provider_no, due_at)
    where sent_at is null and superseded_at is null and dead_at is null;
create index outbound_forecast_order on outbound_forecast (group_no, kind, message_id)
    where sent_at is null and superseded_at is null and dead_at is null;
create index outbound_forecast_sent on outbound_forecast (group_no, kind, sent_at desc) where sent_at is not null;
