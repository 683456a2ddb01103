-- name: all_accounts
select account_no, name, full_name, role, password_hash is not null as has_password, oidc_subject, created_at, closed_at
from account
order by closed_at is not null, name;

-- name: account_with_password
select account_no, name, full_name, role, password_hash is not null as has_password, oidc_subject, created_at, closed_at,
    password_hash
from account
where name = $1;

-- name: account_of_subject
select account_no, name, full_name, role, password_hash is not null as has_password, oidc_subject, created_at, closed_at
from account
where oidc_subject = $1;

-- name: add_account
insert into account (name, full_name, role, password_hash, oidc_subject)
values ($1, $2, $3, $4, $5)
returning account_no;

-- name: change_account
update account
set role = $2, full_name = $3, password_hash = coalesce($4, password_hash), closed_at = $5
where account_no = $1;

-- name: end_sessions_of_account
update console_session
set ended_at = $2
where account_no = $1 and ended_at is null;

-- name: sign_in_failures
-- Failures for a name since then or since its last success, and from an address.
select
    (
        select count(*)
        from sign_in_attempt a
        where a.name = $1 and not a.succeeded and a.at > $3
            and not exists (select from sign_in_attempt s where s.name = $1 and s.succeeded and s.at > a.at)
    ) as of_name,
    (select count(*) from sign_in_attempt a where a.address = $2 and not a.succeeded and a.at > $3) as of_address;

-- name: note_attempt
insert into sign_in_attempt (name, address, at, succeeded) values ($1, $2, $3, $4);

-- name: start_session
insert into console_session (token_hash, account_no, started_at, seen_at, ends_at) values ($1, $2, $3, $3, $4);

-- name: session_of_token
select a.account_no, a.name, a.full_name, a.role, s.seen_at
from console_session s
join account a using (account_no)
where s.token_hash = $1 and s.ended_at is null and s.ends_at > $2 and s.seen_at > $3 and a.closed_at is null;

-- name: touch_session
update console_session set seen_at = $2 where token_hash = $1 and seen_at < $2::timestamptz - interval '1 minute';

-- name: end_session
update console_session set ended_at = $2 where token_hash = $1 and ended_at is null;

-- name: record_act
insert into act (at, account_no, who, what, about, detail) values ($1, $2, $3, $4, $5, $6);
