-- Which quarters of a forecast rest on the calendar alone, and part of what is chained.
alter table forecast_block add column weather_free bytea;
comment on column forecast_block.weather_free is
    'quarters forecast without weather, since it is missing or stale: bits, (element, phase, quarter), each phase filled up to whole bytes, the first quarter in the highest bit; null: none';

alter function decision_content_hash(bigint) rename to decision_inputs_hash;

create function decision_content_hash(of_decision bigint) returns bytea
language sql stable
begin atomic
    select case
        when f.weather_free is null then decision_inputs_hash(of_decision)
        else sha256(decision_inputs_hash(of_decision) || f.weather_free)
    end
    from (
        select string_agg(sha256(weather_free), '' order by first_no) as weather_free
        from forecast_block
        where decision_id = of_decision
    ) f;
end;
