-- name: running_outcomes
-- What decided requests of a kind let groups hold in quarters [$2, $3), in the order of the decisions.
select group_no, is_return, first_quarter, quarters, held_w
from request_outcome
where kind = $1 and first_quarter < $3 and first_quarter + quarters > $2
order by decision_id, request_no;
