-- A decision is chained at its commit, behind the closed gate.  Its blocks are hashed when they are written, so that
-- only what was worked out then is put together there; the hash of a decision stays what it was.

alter table forecast_block add column digest bytea;
comment on column forecast_block.digest is 'of the block, from when it was written; whoever checks the chain works it out anew';

create function digest_forecast_block() returns trigger
language plpgsql as $$
begin
    new.digest := sha256(convert_to(concat_ws('|', new.first_no, new.subjects, new.first_quarter, new.quarters, new.levels), 'UTF8') || new.source || new.load_w);
    return new;
end
$$;

create trigger digest_forecast_block before insert on forecast_block
for each row execute function digest_forecast_block();

alter table headroom_block add column digest bytea;
comment on column headroom_block.digest is 'of the block, from when it was written; whoever checks the chain works it out anew';

create function digest_headroom_block() returns trigger
language plpgsql as $$
begin
    new.digest := sha256(convert_to(concat_ws('|', new.direction, new.first_no, new.subjects, new.first_quarter, new.steps, new.step_quarters), 'UTF8') || new.headroom_w);
    return new;
end
$$;

create trigger digest_headroom_block before insert on headroom_block
for each row execute function digest_headroom_block();

alter table allocation_block add column digest bytea;
comment on column allocation_block.digest is 'of the block, from when it was written; whoever checks the chain works it out anew';

create function digest_allocation_block() returns trigger
language plpgsql as $$
begin
    new.digest := sha256(convert_to(concat_ws('|', new.kind, new.first_no, new.subjects, new.first_quarter, new.steps, new.step_quarters), 'UTF8') || new.capacity_w || new.bound_by);
    return new;
end
$$;

create trigger digest_allocation_block before insert on allocation_block
for each row execute function digest_allocation_block();

-- With `ampacity.as_written` on, the digests of when the blocks were written stand for the blocks.
create or replace function decision_blocks_hash(of_decision bigint) returns bytea
language sql stable
begin atomic
    select sha256(
        convert_to(
            concat_ws(
                '|', d.decision_id, d.kind, extract(epoch from d.made_at), d.settings, d.summary,
                i.rule, i.rule_version, i.element_changes, i.contract_changes, i.decisions_up_to
            ),
            'UTF8'
        )
        || coalesce(i.need_wh, '')
        || coalesce(
            (
                select string_agg(
                    case when current_setting('ampacity.as_written', true) = 'on' and b.digest is not null
                        then b.digest
                        else sha256(convert_to(concat_ws('|', b.first_no, b.subjects, b.first_quarter, b.quarters, b.levels), 'UTF8')
                        || b.source || b.load_w)
                    end, '' order by b.first_no
                )
                from forecast_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    case when current_setting('ampacity.as_written', true) = 'on' and b.digest is not null
                        then b.digest
                        else sha256(convert_to(concat_ws(
                        '|', b.direction, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters), 'UTF8')
                        || b.headroom_w)
                    end, '' order by b.direction, b.first_no
                )
                from headroom_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    case when current_setting('ampacity.as_written', true) = 'on' and b.digest is not null
                        then b.digest
                        else sha256(convert_to(concat_ws(
                        '|', b.kind, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters), 'UTF8')
                        || b.capacity_w || b.bound_by)
                    end, '' order by b.kind, b.first_no
                )
                from allocation_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    sha256(convert_to(concat_ws('|', o.request_no, o.is_return, o.group_no, o.kind, o.first_quarter), 'UTF8')
                        || o.held_w), '' order by o.request_no, o.is_return
                )
                from request_outcome o where o.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    sha256(convert_to(concat_ws(
                        '|', e.request_no, e.step, extract(epoch from e.at), e.reason, e.detail), 'UTF8')),
                    '' order by e.event_no
                )
                from request_event e where e.decision_id = d.decision_id and e.step in ('granted', 'partly', 'refused', 'returned')
            ), ''
        )
    )
    from decision d
    left join decision_input i using (decision_id)
    where d.decision_id = of_decision;
end;

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
    insert into decision_chain (seq, decision_id, content_hash, hash)
    values (
        coalesce(before.seq, 0) + 1, new.decision_id, content, sha256(coalesce(before.hash, ''::bytea) || content)
    );
    return null;
end
$$;
