-- name: offer_blocks
-- Lay the blocks of a cycle out; what is left of cycles that nobody decides any more goes.
with gone as (
    delete from cycle_block b
    using cycle c
    where c.slot = b.slot and (c.claimed_by <> b.holder or c.decision_id is not null)
), told as (
    update cycle set plan = $3 where slot = $1 and claimed_by = $2
)
insert into cycle_block (holder, first_no, slot)
select $2, first_no, $1
from unnest($4::int[]) as first_no;

-- name: take_own_block
-- Who decides takes the first block that nobody works on; its row is not needed any more.
delete from cycle_block
where holder = $1 and first_no = (
    select first_no
    from cycle_block
    where holder = $1 and result is null and (taken_by is null or lease_until < now())
    order by first_no
    limit 1
    for update skip locked
)
returning first_no;

-- name: handed_in_blocks
-- What others made, each given once.
delete from cycle_block
where holder = $1 and first_no in (
    select first_no
    from cycle_block
    where holder = $1 and result is not null
    order by first_no
    limit $2
    for update skip locked
)
returning first_no, result;

-- name: offered_blocks_left
select count(*) from cycle_block where holder = $1;

-- name: drop_offered_blocks
delete from cycle_block where holder = $1;

-- name: offered_cycle
-- A slot whose blocks are laid out and that somebody is deciding.
select claimed_by as holder, plan
from cycle
where slot = $1 and plan is not null and decision_id is null and lease_until > now()
    and exists (
        select from cycle_block b
        where b.holder = claimed_by and b.result is null and (b.taken_by is null or b.lease_until < now())
    );

-- name: take_block
-- Another server takes the last block that nobody works on, as long as the cycle is being decided.
update cycle_block
set taken_by = $2, lease_until = now() + $3
where holder = $1 and first_no = (
    select b.first_no
    from cycle_block b
    join cycle c on c.slot = b.slot and c.claimed_by = b.holder and c.decision_id is null and c.lease_until > now()
    where b.holder = $1 and b.result is null and (b.taken_by is null or b.lease_until < now())
    order by b.first_no desc
    limit 1
    for update of b skip locked
)
returning first_no;

-- name: renew_blocks
update cycle_block set lease_until = now() + $3 where holder = $1 and taken_by = $2 and result is null;

-- name: hand_in_block
-- No row: it took too long, and another one has taken the block on.
update cycle_block set result = $4
where holder = $1 and taken_by = $2 and first_no = $3 and result is null
returning first_no;

-- name: give_back_blocks
update cycle_block set taken_by = null where holder = $1 and taken_by = $2 and result is null;

-- name: take_block_alone
-- Whether this connection may work on the block that begins with $2 until it frees it or ends.
select pg_try_advisory_lock(417021160 + $1::int, $2);

-- name: free_block
select pg_advisory_unlock(417021160 + $1::int, $2);

-- name: free_all_blocks
select pg_advisory_unlock_all();
