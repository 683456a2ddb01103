-- Caps from recent use are an input of the shares, and part of what is chained.
alter table decision_input add column need_cap_w bytea;
comment on column decision_input.need_cap_w is
    'the most each group is expected to need [W], float32 (group, quarter); infinite where all of it is open to the group';

alter function decision_content_hash(bigint) rename to decision_blocks_hash;

create function decision_content_hash(of_decision bigint) returns bytea
language sql stable
begin atomic
    select case
        when i.need_cap_w is null then decision_blocks_hash(of_decision)
        else sha256(decision_blocks_hash(of_decision) || sha256(i.need_cap_w))
    end
    from (values (1)) as one
    left join decision_input i on i.decision_id = of_decision;
end;
