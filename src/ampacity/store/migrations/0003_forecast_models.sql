-- Fitted models with their calibration, one row for a block of elements; the newest holds.

create table forecast_model (
    model_id bigint generated always as identity primary key,
    first_no int not null,
    elements int not null check (elements > 0),
    made_at timestamptz not null,
    fitted_at timestamptz not null,
    state bytea not null,
    recorded_at timestamptz not null default now()
);
comment on column forecast_model.made_at is 'until when it learnt from its errors; fitted_at: when its coefficients were fitted';
alter table forecast_model alter column state set storage external;
create index forecast_model_newest on forecast_model (first_no, made_at desc);
