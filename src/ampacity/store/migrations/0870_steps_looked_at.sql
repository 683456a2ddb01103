-- That a request took a step is looked at once a second by who wants to know, as that it came: a trigger for each step
-- was a fourth of what writing it took, and decisions tell of themselves anyway.
drop trigger request_told on request_event;

-- Requests that come together are opened together.
create function open_the_requests() returns trigger language plpgsql as $$
begin
    insert into open_request select request_no, group_no, kind from come;
    return null;
end
$$;

drop trigger request_opened on capacity_request;
drop function open_the_request();
create trigger request_opened after insert on capacity_request
    referencing new table as come for each statement execute function open_the_requests();
