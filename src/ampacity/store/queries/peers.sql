-- name: caller_of_token
-- Who holds a token that is still good, with the whole session.
select t.purpose, p.*, v.provider_id
from peer_token t
join peer p using (provider_no)
join provider v using (provider_no)
where t.token_hash = $1 and t.revoked_at is null;

-- name: callers_of_tokens
-- The same of several tokens.
select t.token_hash, t.purpose, p.*, v.provider_id
from peer_token t
join peer p using (provider_no)
join provider v using (provider_no)
where t.token_hash = any ($1::bytea[]) and t.revoked_at is null;

-- name: peer_of_provider
select p.*, v.provider_id
from peer p
join provider v using (provider_no)
where p.provider_no = $1;

-- name: peers_of_providers
select p.*, v.provider_id
from peer p
join provider v using (provider_no)
where p.provider_no = any ($1::int[]);

-- name: peer_of_provider_locked
select p.*, v.provider_id
from peer p
join provider v using (provider_no)
where p.provider_no = $1
for update of p;

-- name: all_peers
select p.*, v.provider_id
from peer p
join provider v using (provider_no)
order by v.provider_id;

-- name: enrol_peer
insert into peer (provider_no, state, state_since)
select provider_no, 'removed', $2
from provider
where provider_id = $1
on conflict (provider_no) do nothing;

-- name: provider_no_of
select provider_no from provider where provider_id = $1;

-- name: save_peer
update peer
set state = $2, state_since = $3, base_url = $4, token_sealed = $5, started_by = $6, register_id = $7, profile = $8,
    heartbeat_interval_s = $9, measurement_configuration = $10, next_beat_at = $11, offline_mode_at = $12,
    handshake_id = $13, acknowledge_id = $14, step_at = $15, attempts = $16, last_error = $17, connected_at = $18,
    last_heartbeat_at = $19
where provider_no = $1;

-- name: add_peer_event
insert into peer_event (provider_no, at, event, state_before, state_after)
values ($1, $2, $3, $4, $5);

-- name: add_peer_token
insert into peer_token (token_hash, provider_no, purpose, issued_at)
values ($1, $2, $3, $4);

-- name: revoke_stale_pending_tokens
-- Tokens of tries that are long over: a try that is still under way may yet arrive.
update peer_token
set revoked_at = $2
where provider_no = $1 and purpose = 'pending' and revoked_at is null and issued_at < $2::timestamptz - interval '5 minutes';

-- name: revoke_replaced_tokens
update peer_token
set revoked_at = $3
where provider_no = $1 and token_hash <> $2 and purpose <> 'pending' and revoked_at is null;

-- name: revoke_all_tokens
update peer_token
set revoked_at = $2
where provider_no = $1 and revoked_at is null;

-- name: activate_token
update peer_token
set purpose = 'active'
where provider_no = $1 and token_hash = $2 and revoked_at is null;

-- name: take_due_steps
-- Each due step goes to one process: putting it off is the claim.
with due as (
    select provider_no
    from peer
    where step_at <= $1
    for update skip locked
)
update peer p
set step_at = $2
from due, provider v
where p.provider_no = due.provider_no and v.provider_no = p.provider_no
returning p.*, v.provider_id;

-- name: take_due_beats
-- Each due heartbeat goes to one process: setting the next one is the claim.
with due as (
    select provider_no
    from peer
    where next_beat_at <= $1 and heartbeat_interval_s is not null and state in ('handshaking', 'connected', 'offline')
    for update skip locked
)
update peer p
set next_beat_at = $1 + make_interval(secs => p.heartbeat_interval_s)
from due, provider v
where p.provider_no = due.provider_no and v.provider_no = p.provider_no
returning p.*, v.provider_id;

-- name: overdue_peers
select p.*, v.provider_id
from peer p
join provider v using (provider_no)
where p.state = 'connected' and p.offline_mode_at < $1;

-- name: connected_providers
select provider_no from peer where state = 'connected';

-- name: away_providers
-- Providers that are not connected, by the wall's clock; none while nobody was ever enrolled.
select v.provider_no,
    case when p.connected_at is not null then extract(epoch from now() - p.state_since)::float8 end as gone_s,
    case
        when p.connected_at is null or p.state = 'offline' then 0.0
        else greatest(coalesce(extract(epoch from p.offline_mode_at - now()), 'infinity'), 0.0)
    end::float8 as heeds_s
from provider v
left join peer p using (provider_no)
where p.state is distinct from 'connected' and exists (select from peer)
order by v.provider_no;

-- name: figures_told
-- What was sent last of a kind to each of these groups, and what was tried to be sent since: it may have arrived.
select o.group_no, b.first_quarter, b.step_quarters,
    substring(b.capacity_w from (o.group_no - b.first_no) * b.steps * 4 + 1 for b.steps * 4) as capacity_w
from unnest($1::int[]) as g (group_no)
left join lateral (
    select s.message_id
    from outbound_forecast s
    where s.group_no = g.group_no and s.kind = $2 and s.sent_at is not null
    order by s.sent_at desc
    limit 1
) as last on true
cross join lateral (
    select t.*
    from outbound_forecast t
    where t.group_no = g.group_no and t.kind = $2 and t.message_id >= coalesce(last.message_id, 0)
        and (t.sent_at is not null or t.attempts > 0)
    order by t.message_id
    limit 8
) as o
join allocation_block b on b.decision_id = o.decision_id and b.kind = o.kind
    and o.group_no >= b.first_no and o.group_no < b.first_no + b.subjects
order by o.group_no, o.message_id;

-- name: providers_told_each_cycle
select provider_no from peer where (profile ->> 'every_forecast')::boolean;
