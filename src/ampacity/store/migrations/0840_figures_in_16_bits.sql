-- Forecasts and headroom may be packed in 16 bits a figure; what was written before stays as it is.  Rows of figures
-- are either all of their float32, or the exponent of each row's step (a signed byte, the step two to that power), then
-- all figures as so many steps (16 bits, signed, little-endian; -32768: not known).  Their length tells which.

comment on column forecast_block.load_w is
    'non-controllable load [W], a row for each (level, element, phase), a figure for each quarter; packed as rows_of_figures says';
comment on column headroom_block.headroom_w is
    '[W], a row for each (element, phase), a figure for each step of step_quarters quarters; packed as rows_of_figures says';

create function rows_of_figures(figures bytea, in_all int, columns int, first int, many int) returns bytea
language sql immutable strict parallel safe
return case
    when octet_length(figures) = in_all * columns * 4
        then substring(figures from first * columns * 4 + 1 for many * columns * 4)
    else substring(figures from first + 1 for many)
        || substring(figures from in_all + first * columns * 2 + 1 for many * columns * 2)
end;
comment on function rows_of_figures is
    'So many of the rows of packed figures, packed likewise: as float32, or the exponents of two, one signed byte a row, then 16 bits a figure in steps of that power, -32768 where it is not known.';

-- For people and tools: one figure of a row, and all of them as tables.
create function figure_at(figures bytea, in_all int, columns int, line int, place int) returns real
language sql immutable strict parallel safe
return case
    when octet_length(figures) = in_all * columns * 4 then float32_at(figures, line * columns + place)
    else (
        select case when steps = -32768 then 'NaN'::real else (steps * power(2.0::double precision, exponent))::real end
        from (
            select (get_byte(figures, line) + 128) % 256 - 128 as exponent,
                (get_byte(figures, byte_no) + 256 * get_byte(figures, byte_no + 1) + 32768) % 65536 - 32768 as steps
            from (select in_all + (line * columns + place) * 2 as byte_no) as place_of
        ) as parts
    )
end;

create view forecast_value as
select b.decision_id, b.first_no + s as element_no, p + 1 as phase, l.level,
    to_timestamp((b.first_quarter + q) * 900.0) as start,
    figure_at(
        b.load_w, cardinality(b.levels) * b.subjects * 3, b.quarters, ((l.place - 1)::int * b.subjects + s) * 3 + p, q
    ) as load_w
from forecast_block b, unnest(b.levels) with ordinality as l (level, place),
    generate_series(0, b.subjects - 1) as s, generate_series(0, 2) as p, generate_series(0, b.quarters - 1) as q;
comment on view forecast_value is 'quantiles of the non-controllable load that a decision rests on [W], a row for each quarter';

create view headroom_value as
select b.decision_id, b.direction, b.first_no + s as element_no, p + 1 as phase,
    to_timestamp((b.first_quarter + q * b.step_quarters) * 900.0) as start, b.step_quarters,
    figure_at(b.headroom_w, b.subjects * 3, b.steps, s * 3 + p, q) as headroom_w
from headroom_block b,
    generate_series(0, b.subjects - 1) as s, generate_series(0, 2) as p, generate_series(0, b.steps - 1) as q;
comment on view headroom_value is 'headroom, and what of it is kept back for requests (pool_), of a decision [W], a row for each step';
