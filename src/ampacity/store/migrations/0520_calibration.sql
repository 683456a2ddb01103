-- How often each quantile was passed, and sums over all elements, so that a page need not add up every element.

alter table forecast_score
    add column levels float4[],
    add column beyond bytea,
    add column totals bytea,
    add column beyond_totals bytea,
    add constraint beyond_fills_the_levels check (octet_length(beyond) = cardinality(levels) * elements * 9);
alter table forecast_score alter column beyond set storage external;
comment on column forecast_score.beyond is 'quarters beyond each quantile: above it, below it for levels under one half; uint8 (level, element, phase, lead class); null: scored before this was counted';
comment on column forecast_score.totals is 'figures summed over elements and phases, float64 (figure, lead class)';
comment on column forecast_score.beyond_totals is 'beyond summed likewise, float64 (level, lead class)';
