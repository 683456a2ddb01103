-- What a provider holds is known from what was sent or waits: how far each message reaches.
alter table outbound_forecast add column until_quarter int;
comment on column outbound_forecast.until_quarter is
    'quarter at which its last block ends; null: made before that was noted, counts as holding nothing';
