-- How good the forecasts of a cycle were, once a day of loads had come: one row for a block of elements.

create table forecast_score (
    slot timestamptz not null references cycle,
    first_no int not null,
    elements int not null check (elements > 0),
    figures bytea not null,
    recorded_at timestamptz not null default now(),
    primary key (slot, first_no)
);
alter table forecast_score alter column figures set storage external;
comment on table forecast_score is 'the first cycle of every six hours is scored';
comment on column forecast_score.figures is 'sums over quarters, float32 (figure, element, phase, lead class): known quarters, |error| [W], error [W], quarters above the upper quantile, margin [W]; lead classes: up to 1 h, 1 to 6 h, 6 to 24 h';
