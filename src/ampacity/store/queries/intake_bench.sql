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

-- name: bench_answered_requests
-- When a request was durable, when it began to be decided (behind the gate, where that was closed), and when the forecast
-- that answers it had been sent.
select r.recorded_at, d.recorded_at as decided_at, min(o.sent_at) as sent_at
from capacity_request r
join request_event e on e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
join decision d on d.decision_id = e.decision_id
join outbound_forecast o on o.correlation_id = r.request_id and o.sent_at is not null
group by r.request_no, r.recorded_at, d.recorded_at;

-- name: bench_gate_state
-- Whether the lock of `lock_negotiation` is held or waited for, and whether a cycle is decided: when it was, the store
-- does not say, as all of a transaction is of the time at which it began.
select clock_timestamp() as at,
    exists (
        select from pg_locks
        where locktype = 'advisory' and mode = 'ExclusiveLock' and classid = 0 and objid = 4170211502::oid
            and database = (select oid from pg_database where datname = current_database())
    ) as is_closed,
    exists (select from cycle where slot = $1 and decision_id is not null) as is_decided;
