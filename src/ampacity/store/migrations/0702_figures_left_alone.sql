-- Figures are written once and dropped as a whole.  Where they were looked through by autovacuum for being new, each of
-- their pages was read and, with checksums, written to the log a second time: twice the log for nothing.  They are frozen
-- when the numbers of transactions ask for it, if they still exist by then.
create function leave_figures_alone() returns void
language plpgsql as $$
declare
    part regclass;
begin
    for part in
        select i.inhrelid::regclass
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent in ('forecast_block'::regclass, 'headroom_block'::regclass, 'allocation_block'::regclass)
            and c.reloptions is null
    loop
        execute format(
            'alter table %s set (autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1)', part
        );
    end loop;
end
$$;

alter table forecast_base set (autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1);
