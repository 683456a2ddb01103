-- With a base is stored what forecasts need of its model, so that who reads a base need not read its model too.
alter table forecast_base add column outline bytea;
alter table forecast_base alter column outline set storage external;
comment on column forecast_base.outline is
    'what forecasts need of the model that made it; null: of a version before this column, which nobody uses any more';
