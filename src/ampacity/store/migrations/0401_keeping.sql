-- What was dropped with age.  The decision, its place in the chain and its hash stay; its blocks are gone.
create table pruned_decision (
    decision_id bigint primary key references decision,
    pruned_at timestamptz not null default now()
);
comment on table pruned_decision is
    'decisions whose figures were dropped with age: their content can no longer be compared to its hash, their place in the chain can';

create index outbound_forecast_done on outbound_forecast (created_at)
    where sent_at is not null or superseded_at is not null or dead_at is not null;
