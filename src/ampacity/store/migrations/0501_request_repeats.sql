-- A peer that hears no answer asks again, some of them under a new id: one request, answered under each of its ids.
create table request_repeat (
    provider_no int not null references provider,
    request_id text not null,
    content_hash bytea not null,
    request_no bigint not null references capacity_request,
    recorded_at timestamptz not null default now(),
    primary key (provider_no, request_id)
);
comment on table request_repeat is 'further ids under which the same request came within ten minutes';
create index request_repeat_of_request on request_repeat (request_no);
create index capacity_request_of_group on capacity_request (group_no, kind, request_no desc);
