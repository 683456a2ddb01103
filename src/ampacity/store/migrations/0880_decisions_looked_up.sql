-- What a decision on requests reads is looked up, however many were made before it: since the last cycle, or ever.

-- The digest of each decision is taken from its own outcomes and steps; without these it read all that ever were.
create index request_outcome_of_decision on request_outcome (decision_id);
create index request_event_of_decision on request_event (decision_id) where decision_id is not null;

create index decision_of_cycle on decision (made_at desc) where kind = 'cycle';

alter table decision_chain add column is_headroom boolean not null default false;
comment on column decision_chain.is_headroom is 'whether it decided headroom, as all but decisions on requests do';
update decision_chain c set is_headroom = true
from decision d
where d.decision_id = c.decision_id and d.kind <> 'request';
create index decision_chain_headroom on decision_chain (seq desc) where is_headroom;

create or replace function chain_decision() returns trigger
language plpgsql as $$
declare
    content bytea;
    before record;
begin
    perform set_config('ampacity.as_written', 'on', true);
    content := decision_content_hash(new.decision_id);
    perform set_config('ampacity.as_written', 'off', true);
    perform pg_advisory_xact_lock(4170211503);
    select c.seq, c.hash into before from decision_chain c order by c.seq desc limit 1;
    insert into decision_chain (seq, decision_id, content_hash, hash, is_headroom)
    values (
        coalesce(before.seq, 0) + 1, new.decision_id, content, sha256(coalesce(before.hash, ''::bytea) || content),
        new.kind <> 'request'
    );
    return null;
end
$$;

-- One statement closes the requests that are decided together; it looks each of them up, however many rows of requests
-- that were closed a transaction which began before keeps in the table.
create function close_the_requests() returns trigger language plpgsql set enable_seqscan = off as $$
begin
    if exists (select from noted where step in ('granted', 'partly', 'refused', 'returned')) then
        delete from open_request
        where request_no = any (
            array(select request_no from noted where step in ('granted', 'partly', 'refused', 'returned'))
        );
    end if;
    return null;
end
$$;

drop trigger request_closed on request_event;
drop function close_the_request();
create trigger request_closed after insert on request_event
    referencing new table as noted for each statement execute function close_the_requests();
