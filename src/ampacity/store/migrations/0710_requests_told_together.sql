-- That requests came is looked at by who wants to know, once a second: telling of each at its commit would have
-- PostgreSQL commit them one after the other, each with a write to disk of its own.
drop trigger request_told on request_event;
create trigger request_told after insert on request_event
    for each row when (new.step <> 'received') execute function tell_who_looks('request', 'request_no');
