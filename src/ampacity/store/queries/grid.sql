-- name: grid_elements
-- What is known of every element now, by number.
select element_no, element_id, kind, parent_no, nominal_voltage_v, rated_current_a, rated_power_va, phases,
    latitude, longitude, name, connections, version
from current_element
order by element_no;

-- name: grid_groups
-- The contract in force of every group, by number.
select group_no, group_id, provider_id, provider_no, element_no, phases, contracted_import_w, firm_import_w,
    contracted_export_w, firm_export_w, unit, all_or_nothing, version
from current_contract
order by group_no;

-- name: grid_providers
select provider_no, provider_id, name from provider order by provider_no;

-- name: lock_grid
-- One change of the grid at a time: numbers are given out without gaps.
select pg_advisory_xact_lock(4170211501);

-- name: grid_state
-- What changes whenever the grid does.
select coalesce((select max(change_no) from element_version), 0) as element_changes,
    coalesce((select max(change_no) from contract), 0) as contract_changes,
    (select count(*) from provider) as providers;
