-- The daily forecast of a block of elements that all cycles of a few hours rest on, whichever server runs them.

create table forecast_base (
    base_id bigint generated always as identity primary key,
    first_no int not null,
    elements int not null check (elements > 0),
    mark int not null,
    end_day int not null,
    weather bytea not null,
    made_at timestamptz not null,
    model_made_at timestamptz not null,
    state bytea not null,
    recorded_at timestamptz not null default now(),
    unique (first_no, mark, elements, end_day, weather, made_at)
);
comment on table forecast_base is 'kept for two days: a decision stores the forecasts that were made of it';
comment on column forecast_base.mark is 'the quarter from which on it serves';
comment on column forecast_base.weather is 'a digest of which weather there was at all when it was made';
comment on column forecast_base.model_made_at is 'of the model that made it, in forecast_model';
alter table forecast_base alter column state set storage external;
