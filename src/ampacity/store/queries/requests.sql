-- name: running_outcomes
-- What decided requests of a kind let groups hold in quarters [$2, $3), in the order of the decisions; only those
-- after $6 of the chain, and up to $4 where that is given.  Not what lapsed, by then or with the requests $5.
select o.group_no, o.is_return, o.first_quarter, o.quarters, o.held_w
from request_outcome o
join decision_chain c using (decision_id)
where o.kind = $1 and o.first_quarter < $3 and o.first_quarter + o.quarters > $2
    and c.seq > $6::bigint and ($4::bigint is null or c.seq <= $4)
    and (
        o.is_return or not (
            o.request_no = any ($5::bigint[])
            or exists (
                select from request_event e
                join decision_chain l using (decision_id)
                where e.request_no = o.request_no and e.step = 'lapsed' and ($4::bigint is null or l.seq <= $4)
            )
        )
    )
order by c.seq, o.request_no, o.is_return;

-- name: running_grants
-- Grants that began before quarter $1 and reach beyond it.
select o.request_no, r.request_id, o.group_no, o.kind, o.first_quarter, o.held_w
from request_outcome o
join capacity_request r using (request_no)
where not o.is_return and o.first_quarter < $1 and o.first_quarter + o.quarters > $1
    and not exists (
        select from request_event e
        where e.request_no = o.request_no and e.step in ('released', 'revoked', 'expired', 'lapsed')
    )
order by o.request_no;

-- name: lock_negotiation
-- No decision on requests meanwhile: waits for those that are being made.
select pg_advisory_xact_lock(4170211502);

-- name: share_negotiation
-- A decision on requests is being made, in one tree.
select pg_advisory_xact_lock_shared(4170211502);

-- name: lock_tree
-- One decision at a time in the tree of a root; false where another one is at it.
select pg_try_advisory_xact_lock(417021151, $1);

-- name: decided_at
-- When the newest decision was made; of a clock that goes ahead by up to a minute too.
select max(made_at) from decision where made_at > $1::timestamptz and made_at <= $1::timestamptz + interval '1 minute';

-- name: waiting_groups
-- Who waits for a decision.
select distinct group_no, kind from open_request order by group_no, kind;

-- name: undecided_requests
-- Requests of a kind of these groups that wait for a decision, in the order in which they came, those that wait for an
-- operator last; at most 100 of a group, so that none hides another's.
with waiting as materialized (
    select request_no from open_request where group_no = any ($1::int[]) and kind = $2
)
select w.request_no, w.provider_no, w.group_no, w.kind, w.request_id, w.received_at, w.first_quarter, w.quarters,
    w.wanted_w, w.consent_until, w.consent_given, w.consent_reason,
    array(
        select p.request_id from request_repeat p where p.request_no = w.request_no order by p.recorded_at, p.request_id
    ) as repeats
from (
    select r.*, (d.detail ->> 'until')::timestamptz as consent_until, a.step = 'approved' as consent_given,
        coalesce(a.reason, '') as consent_reason, d.step is not null and a.step is null as is_deferred,
        row_number() over (
            partition by r.group_no order by d.step is not null and a.step is null, r.request_no
        ) as place
    from waiting o
    cross join lateral (
        select * from capacity_request c where c.request_no = o.request_no
        offset 0  -- a look-up for each: of all that were ever asked few wait
    ) as r
    left join request_event d on d.request_no = r.request_no and d.step = 'deferred'
    left join request_event a on a.request_no = r.request_no and a.step in ('approved', 'rejected')
) as w
where w.place <= 100
order by w.is_deferred, w.request_no;

-- name: requests_for_consent
-- Requests that wait for an operator's yes or no at $1, the most urgent first.
select r.request_no, r.request_id, p.provider_id, g.group_id, r.kind, r.received_at, r.first_quarter, r.quarters,
    r.wanted_w, (d.detail ->> 'until')::timestamptz as until, (d.detail ->> 'rise_w')::double precision as rise_w
from open_request o
join request_event d using (request_no)
join capacity_request r using (request_no)
join provider p using (provider_no)
join capacity_group g on g.group_no = r.group_no
where d.step = 'deferred' and (d.detail ->> 'until')::timestamptz > $1
    and not exists (
        select from request_event e where e.request_no = d.request_no and e.step in ('approved', 'rejected')
    )
order by until, r.request_no;

-- name: consent_state
-- Whether a request waits for an operator, and what became of it.
select d.step is not null as is_asked, (d.detail ->> 'until')::timestamptz as until, g.group_id,
    (
        select e.step::text
        from request_event e
        where e.request_no = r.request_no
            and e.step in ('approved', 'rejected', 'granted', 'partly', 'refused', 'returned')
        order by e.event_no
        limit 1
    ) as answered
from capacity_request r
join capacity_group g using (group_no)
left join request_event d on d.request_no = r.request_no and d.step = 'deferred'
where r.request_no = $1;

-- name: capacities_since
-- Of kind $2 the newest allocation that a cycle made at or before $1, and what was decided on top of it since, in the
-- order of the commits, for the groups of the runs [$3, $4); where that cycle is still $5, only what came after $6 of
-- the chain.  As `newest_allocation_blocks`, for who asks again and again.
with newest as materialized (
    select d.decision_id, c.seq
    from decision d
    join decision_chain c using (decision_id)
    where d.kind = 'cycle' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
        and exists (select from allocation_block a where a.decision_id = d.decision_id and a.kind = $2)
    order by d.made_at desc, c.seq desc
    limit 1
), since as materialized (
    select d.decision_id, c.seq, d.made_at <= $1 as is_past
    from newest n
    join decision_chain c on c.seq > case when n.decision_id = $5::bigint then $6::bigint else n.seq end
    cross join lateral (
        select * from decision k where k.decision_id = c.decision_id
        offset 0  -- a look-up for each
    ) as d
    where d.kind <> 'cycle' and d.made_at > $1 - interval '2 days'
), held as materialized (
    select decision_id, seq from newest where decision_id is distinct from $5::bigint
    union all
    select decision_id, seq from since where is_past
), place as (
    -- Up to where in the chain this is all there is: not beyond what a clock that goes ahead made.
    select coalesce((select min(seq) - 1 from since where not is_past), (select max(seq) from held)) as seq
)
select n.decision_id as base_id, p.seq as up_to, a.kind, a.first_no, a.subjects, a.first_quarter, a.steps,
    a.step_quarters, a.capacity_w, a.bound_by
from newest n
cross join place p
left join (
    held h
    join lateral (
        select * from allocation_block b where b.decision_id = h.decision_id and b.kind = $2
        offset 0  -- a look-up for each, in the partition where it is
    ) as a on exists (
        select from unnest($3::int[], $4::int[]) as r (start, stop)
        where a.first_no < r.stop and a.first_no + a.subjects > r.start
    )
) on true
order by h.seq, a.first_no;

-- name: newest_headroom_decision
-- Whose headroom holds at $1: that of the newest cycle, emergency or override at once, by the chain, as capacities are.
select d.decision_id
from decision d
join decision_chain c using (decision_id)
where c.is_headroom and d.made_at <= $1
order by c.seq desc
limit 1;

-- name: newest_headroom_blocks
-- Headroom of the newest cycle, emergency or override at once made at or before $1: newest by the chain, as capacities
-- are; only blocks that hold elements of the runs [$3, $4) where these are given.
select h.decision_id, h.direction, h.first_no, h.subjects, h.first_quarter, h.steps, h.headroom_w
from headroom_block h
where h.direction = $2
    and h.decision_id = (
        select d.decision_id
        from decision d
        join decision_chain c using (decision_id)
        where c.is_headroom and d.made_at <= $1
        order by c.seq desc
        limit 1
    )
    and (
        $3::int[] is null or exists (
            select from unnest($3::int[], $4::int[]) as r (start, stop)
            where h.first_no < r.stop and h.first_no + h.subjects > r.start
        )
    )
order by h.first_no;

-- name: newest_fallback_headroom
-- Headroom under the newest fallbacks, of the cycle that made them or an emergency that lowered them since.
select h.first_no, h.subjects, h.first_quarter, h.steps, h.step_quarters, h.headroom_w
from headroom_block h
where h.direction = $2
    and h.decision_id = (
        select d.decision_id
        from decision_chain c
        join decision d using (decision_id)
        where d.kind <> 'request' and d.made_at <= $1 and d.made_at > $1 - interval '2 days'
            and exists (select from headroom_block b where b.decision_id = d.decision_id and b.direction = $2)
        order by c.seq desc
        limit 1
    )
order by h.first_no;

-- name: had_at_once
-- What was given without waiting for a gate since $1, by group: the most of each request, added up.
select r.group_no, sum((e.detail ->> 'instant_w')::double precision) as had_w
from request_event e
join capacity_request r using (request_no)
where e.at >= $1 and e.detail ? 'instant_w' and r.kind = $2
group by r.group_no;

-- name: add_request_event
insert into request_event (request_no, step, at, decision_id, reason, detail) values ($1, $2, $3, $4, $5, $6);

-- name: outcome_of_request
-- What a request with this id came to.
select e.step::text, e.reason
from capacity_request r
join request_event e using (request_no)
where r.request_id = $1 and e.step in ('granted', 'partly', 'refused', 'returned');

-- name: newest_outcome_of_groups
-- What the newest decided request of each group came to.
select distinct on (r.group_no) r.group_no, e.step::text, e.reason, e.at
from capacity_request r
join request_event e using (request_no)
where e.step in ('granted', 'partly', 'refused', 'returned')
order by r.group_no, e.event_no desc;

-- name: reserve_capacity
-- Add what a decision gives and takes to the ledger of the headroom that holds at $1: three phases of the four quarters
-- of each element's hour.  What room there was is told when something is given for the first time; until then it is NaN.
insert into capacity_ledger as l (base_decision_id, direction, element_no, hour, room_w, given_w)
select base.decision_id, $2, n.element_no, n.hour,
    array_replace(($5::double precision[])[12 * n.place - 11:12 * n.place], 'NaN', null),
    ($6::double precision[])[12 * n.place - 11:12 * n.place]
from (
    select d.decision_id
    from decision d
    join decision_chain c using (decision_id)
    where c.is_headroom and d.made_at <= $1
    order by c.seq desc
    limit 1
) as base,
    unnest($3::int[], $4::int[]) with ordinality as n (element_no, hour, place)
order by n.element_no, n.hour
on conflict (base_decision_id, direction, element_no, hour) do update
set given_w = array[
        l.given_w[1] + excluded.given_w[1], l.given_w[2] + excluded.given_w[2], l.given_w[3] + excluded.given_w[3],
        l.given_w[4] + excluded.given_w[4], l.given_w[5] + excluded.given_w[5], l.given_w[6] + excluded.given_w[6],
        l.given_w[7] + excluded.given_w[7], l.given_w[8] + excluded.given_w[8], l.given_w[9] + excluded.given_w[9],
        l.given_w[10] + excluded.given_w[10], l.given_w[11] + excluded.given_w[11],
        l.given_w[12] + excluded.given_w[12]
    ],
    room_w = array[
        coalesce(l.room_w[1], excluded.room_w[1]), coalesce(l.room_w[2], excluded.room_w[2]),
        coalesce(l.room_w[3], excluded.room_w[3]), coalesce(l.room_w[4], excluded.room_w[4]),
        coalesce(l.room_w[5], excluded.room_w[5]), coalesce(l.room_w[6], excluded.room_w[6]),
        coalesce(l.room_w[7], excluded.room_w[7]), coalesce(l.room_w[8], excluded.room_w[8]),
        coalesce(l.room_w[9], excluded.room_w[9]), coalesce(l.room_w[10], excluded.room_w[10]),
        coalesce(l.room_w[11], excluded.room_w[11]), coalesce(l.room_w[12], excluded.room_w[12])
    ];

-- name: clear_ledger
-- The guard of headroom that is replaced; facts are in the decisions.
delete from capacity_ledger where base_decision_id < $1;
