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
