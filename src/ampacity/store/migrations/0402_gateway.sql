-- Batches of measurements that a gateway pushed, so that one sent again has no effect.
create table gateway_batch (
    batch_id text primary key,
    content_hash bytea not null,
    received_at timestamptz not null default now()
);
