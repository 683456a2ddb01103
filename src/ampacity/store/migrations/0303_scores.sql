-- How forecasts did, a row for each UTC day, lead and block of elements.

create table forecast_score (
    day int not null,
    lead_h real not null,
    first_no int not null,
    subjects int not null check (subjects > 0),
    figures bytea not null,
    recorded_at timestamptz not null default now(),
    primary key (day, lead_h, first_no),
    constraint figures_fill_the_block check (octet_length(figures) = 4 * subjects * 4)
);
comment on column forecast_score.day is 'of the decisions, days since 1970-01-01';
comment on column forecast_score.lead_h is 'the longest lead that counts here [h]; the shortest is that of the row before';
comment on column forecast_score.figures is
    'float32 (figure, element): quarters and phases scored, those above the upper quantile, sum of |load - median| [W], '
    'sum of upper quantile - median [W]';
