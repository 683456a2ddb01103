-- Who writes a block hands its digest over with it; the database works out only those that are not given.

drop trigger digest_forecast_block on forecast_block;
create trigger digest_forecast_block before insert on forecast_block
for each row when (new.digest is null) execute function digest_forecast_block();

drop trigger digest_headroom_block on headroom_block;
create trigger digest_headroom_block before insert on headroom_block
for each row when (new.digest is null) execute function digest_headroom_block();

drop trigger digest_allocation_block on allocation_block;
create trigger digest_allocation_block before insert on allocation_block
for each row when (new.digest is null) execute function digest_allocation_block();

comment on column forecast_block.digest is 'of the block, by who wrote it; whoever checks the chain works it out anew';
comment on column headroom_block.digest is 'of the block, by who wrote it; whoever checks the chain works it out anew';
comment on column allocation_block.digest is 'of the block, by who wrote it; whoever checks the chain works it out anew';
