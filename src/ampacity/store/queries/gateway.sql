-- name: add_gateway_batch
-- No row where the batch is known.
insert into gateway_batch (batch_id, content_hash) values ($1, $2) on conflict do nothing returning batch_id;

-- name: gateway_batch_hash
select content_hash from gateway_batch where batch_id = $1;
