-- A provider's complaint stays open until a person has acknowledged it.

create table complaint_acknowledged (
    error_no bigint primary key references compliance_error,
    account_no int not null references account,
    note text not null default '',
    at timestamptz not null,
    recorded_at timestamptz not null default now()
);
comment on table complaint_acknowledged is 'who took note of a complaint and what was done about it; at is the wall clock';

create trigger complaint_told after insert on compliance_error
    for each row execute function tell_who_looks('complaint', 'error_no');
create trigger acknowledgement_told after insert on complaint_acknowledged
    for each row execute function tell_who_looks('complaint', 'error_no');
