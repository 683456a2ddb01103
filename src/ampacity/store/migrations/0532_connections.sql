-- What is connected behind an element, for forecasts where nothing has been measured yet.
alter table element_version add column connections text not null default '';
comment on column element_version.connections is 'kind:number by semicolons, as in elements.csv; empty: not known';

create or replace view current_element as
select distinct on (v.element_no) e.element_id, v.*
from element_version v
join element e using (element_no)
order by v.element_no, v.version desc;
