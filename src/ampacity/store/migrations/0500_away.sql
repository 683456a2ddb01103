-- Groups that were planned with their fallback, their provider not being connected: an input of the shares, and
-- part of what is chained.
create table decision_away (
    decision_id bigint primary key references decision,
    group_nos int[] not null,
    quarters int[] not null,
    told_nos int[] not null,
    told_import_w bytea not null,
    told_export_w bytea not null,
    constraint each_group_has_its_quarters check (cardinality(group_nos) = cardinality(quarters))
);
comment on table decision_away is 'groups whose provider was not connected when a cycle was decided; no row: there was none';
comment on column decision_away.quarters is 'for how many of the coming quarters each of group_nos was planned with its fallback';
comment on column decision_away.told_nos is 'those of group_nos to which anything was ever sent; of the others nothing is told';
comment on column decision_away.told_import_w is
    'what each of told_nos may draw by what it was sent last [W], float32 (group, quarter); NaN where nothing was sent';
comment on column decision_away.told_export_w is 'the same of what it may feed in [W]';

alter function decision_content_hash(bigint) rename to decision_connected_hash;

create function decision_content_hash(of_decision bigint) returns bytea
language sql stable
begin atomic
    select case
        when a.decision_id is null then decision_connected_hash(of_decision)
        else sha256(
            decision_connected_hash(of_decision)
            || convert_to(array_to_string(a.group_nos, ',') || ';' || array_to_string(a.quarters, ',') || ';'
                || array_to_string(a.told_nos, ','), 'UTF8')
            || sha256(a.told_import_w) || sha256(a.told_export_w)
        )
    end
    from (values (1)) as one
    left join decision_away a on a.decision_id = of_decision;
end;
