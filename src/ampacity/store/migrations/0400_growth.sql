-- What every cycle asks for stays quick however old the database is.
create index element_version_changes on element_version (change_no desc);
create index contract_changes on contract (change_no desc);

-- Who bound whom repeats from quarter to quarter and compresses to a small part; nobody reads a slice of it.
alter table allocation_block alter column bound_by set storage extended;
do $$
begin
    execute 'alter table allocation_block alter column bound_by set compression lz4';
exception
    when feature_not_supported then null;  -- a server that was built without it takes its own method
end
$$;
