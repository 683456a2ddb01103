-- Each step of a request's life happens once.
create unique index request_step_once on request_event (request_no, step);
create index outbound_forecast_answer on outbound_forecast (correlation_id) where correlation_id is not null;
