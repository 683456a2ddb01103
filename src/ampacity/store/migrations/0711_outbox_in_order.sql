-- What waits in the outbox is read by provider, in the order per group and kind: one index, so that no plan made while
-- nothing waited picks another one.
drop index outbound_forecast_waiting;
drop index outbound_forecast_order;
create index outbound_forecast_waiting on outbound_forecast (provider_no, group_no, kind, message_id)
    where sent_at is null and superseded_at is null and dead_at is null;
