-- Which requests wait for a decision: told from the insertions, so that to look for them costs what waits,
-- however many were ever decided.

create table open_request (
    request_no bigint primary key references capacity_request on delete cascade,
    group_no int not null,
    kind forecast_kind not null
);

insert into open_request
select r.request_no, r.group_no, r.kind
from capacity_request r
where not exists (
    select from request_event e
    where e.request_no = r.request_no and e.step in ('granted', 'partly', 'refused', 'returned')
);

create function open_the_request() returns trigger language plpgsql as $$
begin
    insert into open_request values (new.request_no, new.group_no, new.kind);
    return null;
end
$$;

create function close_the_request() returns trigger language plpgsql as $$
begin
    delete from open_request where request_no = new.request_no;
    return null;
end
$$;

create trigger request_opened after insert on capacity_request for each row execute function open_the_request();
create trigger request_closed after insert on request_event for each row
    when (new.step in ('granted', 'partly', 'refused', 'returned')) execute function close_the_request();
