-- name: newest_bases
-- Of each block, or of the one that begins with $5, the newest base of a mark $1 and weather $2 that reaches to day $3
-- and was made at or before $4.
select distinct on (first_no) first_no, base_id, elements, model_made_at
from forecast_base
where mark = $1 and weather = $2 and end_day >= $3 and made_at <= $4
    and outline is not null and ($5::int is null or first_no = $5)
order by first_no, made_at desc, base_id desc;

-- name: base_state
select state as daily, outline from forecast_base where base_id = $1;

-- name: add_base
insert into forecast_base (first_no, elements, mark, end_day, weather, made_at, model_made_at, state, outline)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing
returning base_id, elements, model_made_at;

-- name: base_of_another
-- The base that another server made of the same block at the same time.
select base_id, elements, model_made_at
from forecast_base
where first_no = $1 and elements = $2 and mark = $3 and end_day = $4 and weather = $5 and made_at = $6;

-- name: drop_old_bases
-- Bases of a block that nobody needs any more: of two days before a mark.
delete from forecast_base where first_no = $1 and mark < $2 - 192;
