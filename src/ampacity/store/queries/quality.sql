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
select b.first_no, b.subjects, b.first_quarter, b.quarters, b.levels, b.source, b.load_w
from forecast_block b
join cycle c using (decision_id)
where c.slot = $1
order by b.first_no

-- name: keep_forecast_score
insert into forecast_score (slot, first_no, elements, figures)
values ($1, $2, $3, $4)
on conflict do nothing

-- name: forecast_scores
-- What is scored of slots from $1 on.
select slot, first_no, elements, figures
from forecast_score
where slot >= $1
order by first_no, slot
