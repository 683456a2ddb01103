-- Counterparts and their sessions.  Times here are the wall clock's.

create type peer_state as enum ('invited', 'registering', 'registered', 'handshaking', 'connected', 'offline', 'removed');

create table peer (
    provider_no int primary key references provider,
    state peer_state not null,
    state_since timestamptz not null,
    base_url text,
    token_sealed bytea,
    started_by text check (started_by in ('us', 'them')),
    register_id text,
    profile jsonb not null default '{}',
    heartbeat_interval_s double precision check (heartbeat_interval_s > 0),
    measurement_configuration text[] not null default '{}',
    next_beat_at timestamptz,
    offline_mode_at timestamptz,
    handshake_id text,
    acknowledge_id text,
    step_at timestamptz,
    attempts int not null default 0,
    last_error text,
    connected_at timestamptz
);
create index peer_step_due on peer (step_at) where step_at is not null;
create index peer_beat_due on peer (next_beat_at) where next_beat_at is not null;
comment on column peer.token_sealed is 'the token with which it knows us, encrypted with the key of the settings';
comment on column peer.started_by is 'who started the exchange of tokens that is running; null: none is';
comment on column peer.step_at is 'when the next step of the session is due; moved on while a process takes it';

create table peer_event (
    event_no bigint generated always as identity primary key,
    provider_no int not null references peer,
    at timestamptz not null,
    event text not null,
    state_before peer_state not null,
    state_after peer_state not null
);
create index peer_event_story on peer_event (provider_no, event_no);

create type token_purpose as enum ('invite', 'pending', 'active');

-- The tokens that we issued: only their SHA-256.
create table peer_token (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    provider_no int not null references peer,
    purpose token_purpose not null,
    issued_at timestamptz not null,
    revoked_at timestamptz
);
create index peer_token_of on peer_token (provider_no) where revoked_at is null;
