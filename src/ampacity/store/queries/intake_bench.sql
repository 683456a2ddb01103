-- name: add_bench_provider
insert into provider (provider_no, provider_id, name) values (0, 'bench', 'bench');

-- name: add_bench_element
insert into element (element_no, element_id) values (0, 'bench');

-- name: add_bench_element_version
insert into element_version (element_no, version, kind, nominal_voltage_v, rated_current_a, phases, name)
values (0, 1, 'cable', 400, 250, '123', '');

-- name: add_bench_group
insert into capacity_group (group_no, group_id) values (0, 'bench');

-- name: add_bench_contract
insert into contract (
    group_no, version, provider_no, element_no, phases,
    contracted_import_w, firm_import_w, contracted_export_w, firm_export_w, unit
)
values (0, 1, 0, 0, '123', 22000, 0, 0, 0, 'W');

-- name: add_bench_peer
insert into peer (provider_no, state, state_since) values (0, 'connected', now());

-- name: add_bench_token
insert into peer_token (token_hash, provider_no, purpose, issued_at) values ($1, 0, 'active', now());

-- name: connect_bench_peers
insert into peer (provider_no, state, state_since, base_url, token_sealed)
select provider_no, 'connected', now(), $1, $2
from provider
on conflict (provider_no) do update set base_url = excluded.base_url, token_sealed = excluded.token_sealed;

-- name: add_bench_fleet
insert into element (element_no, element_id)
select no, 'cable-' || no from generate_series(0, $1::int - 1) as no;

-- name: add_bench_fleet_versions
insert into element_version (element_no, version, kind, nominal_voltage_v, rated_current_a, phases, name)
select no, 1, 'cable', 400, 250, '123', '' from generate_series(0, $1::int - 1) as no;

-- name: give_bench_token
insert into peer_token (token_hash, provider_no, purpose, issued_at) values ($2, $1, 'active', now());

-- name: bench_answer_times
-- Seconds from when a request was durable to when the forecast that answers it had been sent.
select extract(epoch from min(o.sent_at) - r.recorded_at)::double precision as took_s
from capacity_request r
join outbound_forecast o on o.correlation_id = r.request_id and o.sent_at is not null
group by r.request_no, r.recorded_at;

-- name: bench_decided_ago
select extract(epoch from clock_timestamp() - d.recorded_at)::double precision
from cycle
join decision d using (decision_id)
where cycle.slot = $1;
