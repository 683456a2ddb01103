-- name: unscored_slots
-- The first decided cycle of every six hours between $1 and $2 of which no forecast has been scored.
select slot from (
    select distinct on (date_bin('6 hours', c.slot, timestamptz '2000-01-01 00:00Z')) c.slot
    from cycle c
    where c.decision_id is not null and c.slot >= $1 and c.slot < $2
    order by date_bin('6 hours', c.slot, timestamptz '2000-01-01 00:00Z'), c.slot
) first_of_six_hours
where not exists (select from forecast_score s where s.slot = first_of_six_hours.slot)
order by slot

-- name: forecasts_of_slot
-- The quantiles that the cycle of slot $1 forecast.
select b.first_no, b.subjects, b.first_quarter, b.quarters, b.levels, b.source, b.load_w, b.weather_free
from cycle c
cross join lateral (
    select * from forecast_block f where f.decision_id = c.decision_id
    offset 0  -- a look-up, in the partition where it is
) as b
where c.slot = $1
order by b.first_no

-- name: keep_forecast_score
insert into forecast_score (slot, first_no, elements, figures, levels, beyond, totals, beyond_totals)
values ($1, $2, $3, $4, $5::float4[], $6, $7, $8)
on conflict do nothing

-- name: total_scores
-- What is scored of slots from $1 on, summed over elements.
select totals as figures, levels, beyond_totals as beyond
from forecast_score
where slot >= $1 and totals is not null

-- name: element_scores
-- What is scored of element $2 in slots from $1 on.
select s.levels,
    (
        select string_agg(
            substring(s.figures from (f * s.elements + $2::int - s.first_no) * 36 + 1 for 36), ''::bytea order by f
        )
        from generate_series(0, 4) as f
    ) as figures,
    (
        select string_agg(
            substring(s.beyond from (l * s.elements + $2::int - s.first_no) * 9 + 1 for 9), ''::bytea order by l
        )
        from generate_series(0, cardinality(s.levels) - 1) as l
    ) as beyond
from forecast_score s
where s.slot >= $1 and s.first_no <= $2 and s.first_no + s.elements > $2

-- name: exceeded
-- The first and the fourth figure of elements $2 in slots from $1 on.
select e.element_no,
    substring(s.figures from (e.element_no - s.first_no) * 36 + 1 for 36) as quarters,
    substring(s.figures from (3 * s.elements + e.element_no - s.first_no) * 36 + 1 for 36) as above
from forecast_score s
join unnest($2::int[]) as e (element_no) on e.element_no >= s.first_no and e.element_no < s.first_no + s.elements
where s.slot >= $1

-- name: counts_above
-- The first and the fourth figure of every block in slots from $1 on.
select first_no, elements, substring(figures for elements * 36) as quarters,
    substring(figures from 3 * elements * 36 + 1 for elements * 36) as above
from forecast_score
where slot >= $1

-- name: forecast_scores
-- What is scored of slots from $1 on.
select slot, first_no, elements, figures
from forecast_score
where slot >= $1
order by first_no, slot
