-- name: add_sandbox_provider
insert into provider (provider_no, provider_id, name) values (0, $1, 'Sandbox');

-- name: add_sandbox_element
insert into element (element_no, element_id) values (0, 'sandbox-cable');

-- name: add_sandbox_element_version
insert into element_version (element_no, version, kind, nominal_voltage_v, rated_current_a, phases, name)
values (0, 1, 'cable', 400, 250, '123', 'Sandbox');

-- name: add_sandbox_group
insert into capacity_group (group_no, group_id) values ($1, $2);

-- name: add_sandbox_contract
insert into contract (
    group_no, version, provider_no, element_no, phases,
    contracted_import_w, firm_import_w, contracted_export_w, firm_export_w, unit
)
values ($1, 1, 0, 0, '123', 44000, 11000, 11000, 0, $2);
