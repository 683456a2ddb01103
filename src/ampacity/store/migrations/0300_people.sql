-- Who may look and act, and what each person did.  Times here are the wall clock's.

create type person_role as enum ('viewer', 'planner', 'operator', 'admin');

create table account (
    account_no int generated always as identity primary key,
    name text not null constraint account_known_once unique check (name <> ''),
    full_name text not null default '',
    role person_role not null,
    password_hash text,
    oidc_subject text constraint subject_known_once unique,
    created_at timestamptz not null default now(),
    closed_at timestamptz
);
comment on column account.password_hash is 'argon2id; null: signs in by OpenID Connect only';

create table console_session (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    account_no int not null references account,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    ends_at timestamptz not null,
    ended_at timestamptz
);
create index console_session_of_account on console_session (account_no) where ended_at is null;
comment on table console_session is 'a signed-in browser; of its token only the SHA-256';

create table sign_in_attempt (
    attempt_no bigint generated always as identity primary key,
    name text not null,
    address text not null,
    at timestamptz not null,
    succeeded boolean not null
);
create index sign_in_attempt_by_name on sign_in_attempt (name, at);
create index sign_in_attempt_by_address on sign_in_attempt (address, at);

create table act (
    act_no bigint generated always as identity primary key,
    at timestamptz not null,
    account_no int references account,
    who text not null,
    what text not null,
    about text not null default '',
    detail jsonb not null default '{}',
    recorded_at timestamptz not null default now()
);
create index act_by_time on act (at desc);
comment on table act is 'what a person did; never changed, never deleted';
comment on column act.about is 'what it was done to, as the console links it: element/ID, group/ID, provider/ID, account/NAME';
comment on column act.detail is 'before, after and why';

-- An act stands as it was written.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed', tg_table_name;
end
$$;
create trigger act_stands before update or delete on act for each statement execute function refuse_change();

-- The log shows decisions beside what people did, by the wall's clock.
create index decision_by_record on decision (recorded_at desc);
