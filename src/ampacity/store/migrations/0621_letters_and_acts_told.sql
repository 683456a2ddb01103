-- Who looks is told of messages that were given up, and of what people do.
create trigger dead_letter_told after update of dead_at on outbound_forecast
    for each row when (old.dead_at is distinct from new.dead_at) execute function tell_who_looks('letter', 'provider_no');
create trigger act_told after insert on act
    for each row execute function tell_who_looks('act', 'act_no');
