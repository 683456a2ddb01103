-- A contract may say that a request of its group is met in full or not at all.
alter table contract add column all_or_nothing boolean not null default false;
comment on column contract.all_or_nothing is 'a request is granted in full or refused; false: in part where that is all there is';

create or replace view current_contract as
select distinct on (c.group_no) g.group_id, p.provider_id, c.group_no, c.version, c.provider_no, c.element_no, c.phases,
    c.contracted_import_w, c.firm_import_w, c.contracted_export_w, c.firm_export_w, c.unit, c.recorded_at,
    c.all_or_nothing
from contract c
join capacity_group g using (group_no)
join provider p using (provider_no)
order by c.group_no, c.version desc;
