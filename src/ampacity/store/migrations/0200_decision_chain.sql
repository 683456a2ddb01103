-- The proof of decisions: what each rested on, by reference, and a chain of hashes over all of them.

-- Changes of the grid in the order in which they were committed (imports wait for each other).
alter table element_version add column change_no bigint generated always as identity;
alter table contract add column change_no bigint generated always as identity;

-- What is kept back for requests is an input of the shares.
alter table headroom_block drop constraint headroom_block_direction_check;
alter table headroom_block add constraint headroom_direction check (
    direction in ('import', 'export', 'fallback_import', 'fallback_export', 'pool_import', 'pool_export')
);

create table decision_input (
    decision_id bigint primary key references decision,
    rule text not null,
    rule_version int not null,
    element_changes bigint not null,
    contract_changes bigint not null,
    decisions_up_to bigint not null,
    need_wh bytea
);
comment on table decision_input is 'what a decision rested on beside its own headroom and forecast blocks';
comment on column decision_input.element_changes is 'the grid as of this change_no of element_version; contract_changes: of contract';
comment on column decision_input.decisions_up_to is 'seq in decision_chain of the newest decision that was known';
comment on column decision_input.need_wh is 'expected daily energy of each group [Wh], float64, where it was needed';

create table decision_chain (
    seq bigint primary key,
    decision_id bigint not null references decision constraint decision_chained_once unique,
    content_hash bytea not null,
    hash bytea not null,
    chained_at timestamptz not null default now()
);
comment on table decision_chain is
    'decisions in the order of their commits; hash = sha256(hash of the one before, content_hash)';

create function decision_content_hash(of_decision bigint) returns bytea
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
                    sha256(convert_to(concat_ws('|', b.first_no, b.subjects, b.first_quarter, b.quarters, b.levels), 'UTF8')
                        || b.source || b.load_w), '' order by b.first_no
                )
                from forecast_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    sha256(convert_to(concat_ws(
                        '|', b.direction, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters), 'UTF8')
                        || b.headroom_w), '' order by b.direction, b.first_no
                )
                from headroom_block b where b.decision_id = d.decision_id
            ), ''
        )
        || coalesce(
            (
                select string_agg(
                    sha256(convert_to(concat_ws(
                        '|', b.kind, b.first_no, b.subjects, b.first_quarter, b.steps, b.step_quarters), 'UTF8')
                        || b.capacity_w || b.bound_by), '' order by b.kind, b.first_no
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

-- Chained by the database when the decision is committed, so that none can be left out.
create function chain_decision() returns trigger
language plpgsql as $$
declare
    content bytea := decision_content_hash(new.decision_id);
    before record;
begin
    perform pg_advisory_xact_lock(4170211503);
    select c.seq, c.hash into before from decision_chain c order by c.seq desc limit 1;
    insert into decision_chain (seq, decision_id, content_hash, hash)
    values (
        coalesce(before.seq, 0) + 1, new.decision_id, content, sha256(coalesce(before.hash, ''::bytea) || content)
    );
    return null;
end
$$;

create constraint trigger chain_decision after insert on decision
deferrable initially deferred for each row execute function chain_decision();
