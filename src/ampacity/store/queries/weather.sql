-- name: claim_weather_fetch
-- Take the next attempt on: none was made since $3.
insert into weather_fetch (source, tried_at)
values ($1, $2)
on conflict (source) do update set tried_at = excluded.tried_at
where weather_fetch.tried_at <= $3
returning source;

-- name: weather_fetched
update weather_fetch set succeeded_at = $2, values_added = $3, failures = 0, failure = '' where source = $1;

-- name: weather_fetch_failed
update weather_fetch set failures = failures + 1, failure = $2 where source = $1;

-- name: weather_fetches
select source, tried_at, succeeded_at, values_added, failures, failure from weather_fetch order by source;
