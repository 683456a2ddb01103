-- name: copy_bench_loads
insert into load_block (subject, first_no, subjects, first_quarter, quarters, available_at, load_w)
select subject, first_no + $2, subjects, first_quarter, quarters, available_at, load_w
from load_block
where subject = 'element' and first_no < $1 and first_quarter >= $3
order by first_quarter, first_no;

-- name: copy_bench_model
insert into forecast_model (first_no, elements, made_at, fitted_at, state)
select $2, elements, made_at, fitted_at, state
from forecast_model
where first_no = $1;

-- name: copy_bench_extremes
insert into load_extremes (first_no, elements, made_at, packed)
select $2, elements, made_at, packed
from load_extremes
where first_no = $1;

-- name: drop_bench_figures
-- Nothing that a next cycle reads; row by row it would write more to the log than the cycles did.
truncate forecast_block, headroom_block;

-- name: log_position
select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint;

-- name: forget_bench_models
with gone as (delete from forecast_model where made_at = $1 returning elements)
select coalesce(sum(elements), 0) from gone;

-- name: forget_bench_bases
delete from forecast_base;

-- name: bench_models_made
-- Of how many elements models were made at $1, and of how many of these they were fitted anew then.
select coalesce(sum(elements), 0) as made, coalesce(sum(elements) filter (where fitted_at = $1), 0) as fitted
from forecast_model
where made_at = $1;
