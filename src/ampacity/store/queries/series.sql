-- name: load_blocks
-- Blocks that hold values of subjects [$2, $3) in quarters [$4, $5), known at $6; a later one corrects an earlier one.
select first_no, subjects, first_quarter, quarters, available_at is null as known_when_ended, load_w
from load_block
where subject = $1 and first_no < $3 and first_no + subjects > $2
    and first_quarter < $5 and first_quarter > $4 - 96 and first_quarter + quarters > $4
    and (available_at is null or available_at <= $6)
order by block_id;

-- name: load_span
-- First quarter with a value and the quarter after the last one.
with newest as (
    select max(first_quarter) as first_quarter from load_block where subject = $1
)
select (select min(first_quarter) from load_block where subject = $1) as first,
    max(b.first_quarter + b.quarters) as behind_last
from newest n
left join load_block b on b.subject = $1 and b.first_quarter > n.first_quarter - 96;

-- name: ensure_load_partitions
select ensure_load_partitions($1, $2);

-- name: weather_cells
select cell_no, latitude, longitude from weather_cell order by cell_no;

-- name: add_weather_cells
insert into weather_cell (latitude, longitude)
select * from unnest($1::double precision[], $2::double precision[])
on conflict do nothing;

-- name: stage_weather
create temporary table staged_weather (like weather_value including defaults) on commit drop;

-- name: add_staged_weather
insert into weather_value (cell_no, valid_at, available_at, temperature_c, global_radiation_w_m2, wind_speed_m_s)
select cell_no, valid_at, available_at, temperature_c, global_radiation_w_m2, wind_speed_m_s
from staged_weather
on conflict do nothing;

-- name: contradicted_weather
-- Staged values that are stored with the same times and another figure.
select count(*)
from staged_weather s
join weather_value v on v.cell_no = s.cell_no and v.valid_at = s.valid_at
    and v.available_at is not distinct from s.available_at
where (v.temperature_c, v.global_radiation_w_m2, v.wind_speed_m_s)
    is distinct from (s.temperature_c, s.global_radiation_w_m2, s.wind_speed_m_s);

-- name: weather_values
-- Values valid in [$1, $2) as they were known at $3, the newest issue last; a value of unknown issue counts as oldest.
select cell_no, valid_at, available_at, temperature_c, global_radiation_w_m2, wind_speed_m_s
from weather_value
where valid_at >= $1 and valid_at < $2 and (available_at is null or available_at <= $3)
order by available_at nulls first;
