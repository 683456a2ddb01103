-- Who looks is told that something changed: a topic and a number, never the thing itself.

create function tell_who_looks() returns trigger language plpgsql as $$
begin
    perform pg_notify('ampacity_changed', tg_argv[0] || ':' || (to_jsonb(new) ->> tg_argv[1]));
    return null;
end
$$;

create trigger decision_told after insert on decision
    for each row execute function tell_who_looks('decision', 'decision_id');
create trigger request_told after insert on request_event
    for each row execute function tell_who_looks('request', 'request_no');
create trigger limit_told after insert on limit_change
    for each row execute function tell_who_looks('limit', 'limit_no');
create trigger limit_event_told after insert on limit_event
    for each row execute function tell_who_looks('limit', 'limit_no');
create trigger session_told after insert on peer_event
    for each row execute function tell_who_looks('session', 'provider_no');

-- The console counts what was given up.
create index outbound_forecast_dead on outbound_forecast (provider_no, dead_at) where dead_at is not null;
