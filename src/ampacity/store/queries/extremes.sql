-- name: newest_extremes
-- Of each block, made at or before $1.
select distinct on (first_no) first_no, elements, made_at
from load_extremes
where made_at <= $1
order by first_no, made_at desc;

-- name: packed_extremes
select packed from load_extremes where first_no = $1 and made_at = $2;

-- name: add_extremes
insert into load_extremes (first_no, elements, made_at, packed) values ($1, $2, $3, $4)
on conflict (first_no, made_at) do update set elements = excluded.elements, packed = excluded.packed
where load_extremes.elements <> excluded.elements;

-- name: drop_old_extremes
-- Of a block, two days before those of $2: nobody uses them any more.
delete from load_extremes where first_no = $1 and made_at < $2::timestamptz - interval '2 days';
