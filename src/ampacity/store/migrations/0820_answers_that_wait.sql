-- Answers to requests are sent before whatever else waits for a provider: they are found by themselves.
create index outbound_forecast_waiting_answer on outbound_forecast (provider_no, message_id)
    where correlation_id is not null and sent_at is null and superseded_at is null and dead_at is null;
