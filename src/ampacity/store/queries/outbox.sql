-- name: providers_with_due_messages
-- Connected providers that something other than an answer is due for, and whether that is more than $1 messages: no
-- more are counted.
select p.provider_no, d.messages > $1 as are_many
from peer p
cross join lateral (
    select count(*) as messages
    from (
        select from outbound_forecast o
        where o.provider_no = p.provider_no and o.sent_at is null and o.superseded_at is null and o.dead_at is null
            and o.due_at <= now() and coalesce(o.lease_until, '-infinity') <= now() and o.correlation_id is null
        limit $1::int + 1
    ) as due
) as d
where p.state = 'connected' and d.messages > 0;

-- name: waiting_answers
-- The first answer behind message $1 that waits for each connected provider, and whether any of them is due.
select p.provider_no, w.first_id, w.is_due
from peer p
cross join lateral (
    select min(a.message_id) as first_id,
        bool_or(a.due_at <= now() and coalesce(a.lease_until, '-infinity') <= now()) as is_due
    from (
        select o.message_id, o.due_at, o.lease_until
        from outbound_forecast o
        where o.provider_no = p.provider_no and o.message_id > $1 and o.correlation_id is not null
            and o.sent_at is null and o.superseded_at is null and o.dead_at is null
        order by o.message_id
        offset 0  -- in the order of the index of answers that wait, not past all else that does
    ) as a
) as w
where p.state = 'connected' and w.first_id is not null;

-- name: queued_behind
-- Whom messages behind $1 are for, by kind.
select kind, array_agg(distinct group_no) as groups from outbound_forecast where message_id > $1 group by kind;

-- name: take_messages_back
-- Messages of kind $2 for these groups that decision $1, which is not committed yet, has written; gives how many.
with gone as (
    delete from outbound_forecast where group_no = any ($3::int[]) and kind = $2 and decision_id = $1 returning 1
)
select count(*) from gone;

-- name: newest_message
select coalesce(max(message_id), 0) from outbound_forecast;

-- name: claim_lightly
-- A lease need not be on the disk before what it covers is sent: where the database dies it is claimed again.
set local synchronous_commit = off;

-- name: page_of_waiting
-- The last group of a page of what waits for a provider, behind a group: so much is looked at for a claim, not all.
select max(p.group_no)
from (
    select w.group_no
    from outbound_forecast w
    where w.provider_no = $1 and w.group_no > $2
        and w.sent_at is null and w.superseded_at is null and w.dead_at is null
    order by w.group_no, w.kind, w.message_id
    limit $3
) as p;

-- name: supersede_older_messages
-- A newer forecast of the same group and kind makes an unsent older one pointless, unless that one answers a request.
update outbound_forecast o
set superseded_at = now()
where o.provider_no = $1 and o.group_no > $2 and o.group_no <= $3
    and o.sent_at is null and o.superseded_at is null and o.dead_at is null
    and o.correlation_id is null and coalesce(o.lease_until, '-infinity') <= now()
    and (
        select n.message_id
        from outbound_forecast n
        where n.group_no = o.group_no and n.kind = o.kind and n.message_id > o.message_id and n.dead_at is null
        order by n.message_id desc
        limit 1
    ) is not null;

-- name: claim_messages
-- The first waiting message of each (group, kind) of a page that is due, no answer and in nobody's hands; a message
-- whose predecessor is an answer, under way or put off waits for it, so that the order holds.
-- Each is looked up by its number, however few or many the planner takes to be waiting: it may have counted them when
-- none was, or all.  (In the index of what waits a number is found by reading all of it.)
with first as materialized (
    select distinct on (w.group_no, w.kind) w.message_id, w.due_at, w.lease_until, w.correlation_id
    from outbound_forecast w
    where w.provider_no = $1 and w.group_no > $2 and w.group_no <= $3
        and w.sent_at is null and w.superseded_at is null and w.dead_at is null
    order by w.group_no, w.kind, w.message_id
), taken as (
    select o.message_id
    from first f
    cross join lateral (
        select o.message_id
        from outbound_forecast o
        where o.message_id = f.message_id
            and coalesce(o.sent_at, o.superseded_at, o.dead_at) is null  -- nor since, by another server
            and o.due_at <= now() and coalesce(o.lease_until, '-infinity') <= now()
            and exists (select from peer p where p.provider_no = $1 and p.state = 'connected')
        for update of o skip locked
    ) as o
    where f.due_at <= now() and coalesce(f.lease_until, '-infinity') <= now() and f.correlation_id is null
)
update outbound_forecast o
set leased_by = $4, lease_until = now() + make_interval(secs => $5), attempts = attempts + 1
where o.message_id = any (array(select message_id from taken))
returning o.message_id;

-- name: supersede_before_answers
-- What waits before an answer to a request behind message $2, of its group and kind, is pointless unless it is one
-- itself.
with last as materialized (
    select a.provider_no, a.group_no, a.kind, max(a.message_id) as message_id
    from unnest($1::int[]) as p (provider_no)
    cross join lateral (
        select w.provider_no, w.group_no, w.kind, w.message_id
        from outbound_forecast w
        where w.provider_no = p.provider_no and w.message_id > $2 and w.correlation_id is not null
            and w.sent_at is null and w.superseded_at is null and w.dead_at is null
        order by w.message_id
        offset 0  -- provider by provider: whoever thinks them few would read all answers that there ever were
    ) as a
    group by a.provider_no, a.group_no, a.kind
), older as (
    select o.message_id
    from last a
    cross join lateral (
        select o.message_id
        from outbound_forecast o
        where o.provider_no = a.provider_no and o.group_no = a.group_no and o.kind = a.kind
            and o.message_id < a.message_id and o.correlation_id is null
            and o.sent_at is null and o.superseded_at is null and o.dead_at is null
            and coalesce(o.lease_until, '-infinity') <= now()
        for update of o skip locked
    ) as o
)
update outbound_forecast o
set superseded_at = now()
where o.message_id = any (array(select message_id from older));

-- name: claim_answers
-- The first $3 answers to requests behind message $5 of each of several providers, whatever else waits for them: answers
-- are claimed here alone, so that none waits in the hands of who sends the rest.  Of a group and kind all that follow each
-- other, as far as nothing else stands before them; what another server has in its hands just now keeps back what comes
-- after it.
with answers as materialized (
    select a.message_id, a.provider_no, a.group_no, a.kind, row_number() over chain as turn,
        bool_and(a.due_at <= now() and coalesce(a.lease_until, '-infinity') <= now()) over chain as is_next
    from unnest($1::int[]) as p (provider_no)
    cross join lateral (
        select w.message_id, w.provider_no, w.group_no, w.kind, w.due_at, w.lease_until
        from outbound_forecast w
        where w.provider_no = p.provider_no and w.message_id > $5 and w.correlation_id is not null
            and w.sent_at is null and w.superseded_at is null and w.dead_at is null
        order by w.message_id
        offset 0
    ) as a
    window chain as (partition by a.provider_no, a.group_no, a.kind order by a.message_id)
), free as (
    select n.*, bool_or(
        case when n.turn = 1 then n.message_id = (
            select b.message_id
            from outbound_forecast b
            where b.provider_no = n.provider_no and b.group_no = n.group_no and b.kind = n.kind
                and b.sent_at is null and b.superseded_at is null and b.dead_at is null
            order by b.message_id
            limit 1
        ) end
    ) over (partition by n.provider_no, n.group_no, n.kind) as is_free
    from answers n
    where n.is_next
), few as materialized (
    select f.*
    from (
        select i.*, row_number() over (partition by i.provider_no order by i.message_id) as place
        from free i
        where i.is_free
    ) as f
    where f.place <= $3
), locked as materialized (
    select o.message_id
    from few f
    cross join lateral (
        select o.message_id
        from outbound_forecast o
        where o.message_id = f.message_id and coalesce(o.sent_at, o.superseded_at, o.dead_at) is null
            and o.due_at <= now() and coalesce(o.lease_until, '-infinity') <= now()
            and exists (select from peer p where p.provider_no = o.provider_no and p.state = 'connected')
        for update of o skip locked
    ) as o
), taken as (
    select f.message_id,
        bool_and(f.message_id in (select l.message_id from locked l)) over (
            partition by f.provider_no, f.group_no, f.kind order by f.message_id
        ) as is_ours
    from few f
)
update outbound_forecast o
set leased_by = $2, lease_until = now() + make_interval(secs => $4), attempts = attempts + 1
where o.message_id = any (array(select message_id from taken where is_ours))
returning o.message_id;

-- name: supersede_older_messages_of
-- The same of several providers, for what is due: what is not due, and nothing that is waits behind it, need not be
-- looked at yet.  What another server has in its hands just now is left to it, as nobody waits here for one row while
-- holding another.
with due as materialized (
    select d.provider_no, d.group_no, d.kind, d.message_id
    from outbound_forecast d
    where d.provider_no = any ($1::int[]) and d.sent_at is null and d.superseded_at is null and d.dead_at is null
        and d.due_at <= now() and coalesce(d.lease_until, '-infinity') <= now()
), older as (
    select o.message_id
    from due d
    cross join lateral (
        select o.message_id
        from outbound_forecast o
        where o.provider_no = d.provider_no and o.group_no = d.group_no and o.kind = d.kind
            and o.message_id <= d.message_id
            and o.sent_at is null and o.superseded_at is null and o.dead_at is null
            and o.correlation_id is null and coalesce(o.lease_until, '-infinity') <= now()
            and (
                select n.message_id
                from outbound_forecast n
                where n.group_no = o.group_no and n.kind = o.kind and n.message_id > o.message_id and n.dead_at is null
                order by n.message_id desc
                limit 1
            ) is not null
        for update of o skip locked
    ) as o
)
update outbound_forecast o
set superseded_at = now()
where o.message_id = any (array(select message_id from older));

-- name: claim_few_messages
-- As `claim_messages`, the first $3 of each of several providers.
with due as materialized (
    select d.provider_no, d.group_no, d.kind, d.message_id, d.due_at
    from outbound_forecast d
    where d.provider_no = any ($1::int[]) and d.sent_at is null and d.superseded_at is null and d.dead_at is null
        and d.due_at <= now() and coalesce(d.lease_until, '-infinity') <= now() and d.correlation_id is null
), few as materialized (
    select f.message_id
    from (
        select d.message_id, row_number() over (partition by d.provider_no order by d.due_at, d.message_id) as place
        from due d
        where d.message_id = (
            select b.message_id
            from outbound_forecast b
            where b.provider_no = d.provider_no and b.group_no = d.group_no and b.kind = d.kind
                and b.sent_at is null and b.superseded_at is null and b.dead_at is null
            order by b.message_id
            limit 1
        )
    ) as f
    where f.place <= $3
), taken as (
    select o.message_id
    from few f
    cross join lateral (
        select o.message_id
        from outbound_forecast o
        where o.message_id = f.message_id and coalesce(o.sent_at, o.superseded_at, o.dead_at) is null
            and o.due_at <= now() and coalesce(o.lease_until, '-infinity') <= now()
            and exists (select from peer p where p.provider_no = o.provider_no and p.state = 'connected')
        for update of o skip locked
    ) as o
)
update outbound_forecast o
set leased_by = $2, lease_until = now() + make_interval(secs => $4), attempts = attempts + 1
where o.message_id = any (array(select message_id from taken))
returning o.message_id;

-- name: tell_later
-- What these groups hold of kind $2 since decision $1 is sent in $6 s, or sooner: where the newest message of a group
-- is of a decision on requests and waits yet untried, in nobody's hands and no answer, it says this from now on; where
-- anything else waits, no later than that.
with newest as materialized (
    select o.message_id
    from unnest($3::int[], $4::int[]) as n (group_no, provider_no)
    cross join lateral (
        select m.*
        from outbound_forecast m
        where m.group_no = n.group_no and m.kind = $2
        order by m.message_id desc
        limit 1
    ) as o
    join decision d using (decision_id)
    where o.provider_no = n.provider_no and coalesce(o.sent_at, o.superseded_at, o.dead_at) is null
        and d.kind = 'request'
), free as (
    select o.message_id
    from newest w
    cross join lateral (
        select o.message_id
        from outbound_forecast o
        where o.message_id = w.message_id and coalesce(o.sent_at, o.superseded_at, o.dead_at) is null
            and o.correlation_id is null and o.attempts = 0 and coalesce(o.lease_until, '-infinity') <= now()
        for update of o skip locked
    ) as o
), moved as (
    update outbound_forecast o
    set decision_id = $1, until_quarter = $5
    where o.message_id = any (array(select message_id from free))
    returning o.group_no
)
insert into outbound_forecast (decision_id, kind, provider_no, group_no, until_quarter, due_at)
select $1, $2, n.provider_no, n.group_no, $5, least(now() + make_interval(secs => $6), w.due_at)
from unnest($3::int[], $4::int[]) as n (group_no, provider_no)
cross join lateral (
    select min(o.due_at) as due_at
    from outbound_forecast o
    where o.provider_no = n.provider_no and o.group_no = n.group_no and o.kind = $2
        and o.sent_at is null and o.superseded_at is null and o.dead_at is null
) as w
where n.group_no not in (select group_no from moved)
order by n.group_no;

-- name: claimed_messages
-- The claimed messages with their figures and what the wire needs to know of the group.
select o.message_id, o.provider_no as sent_to, o.kind, o.request_id, o.correlation_id, o.attempts, b.first_quarter, b.step_quarters,
    substring(b.capacity_w from (o.group_no - b.first_no) * b.steps * 4 + 1 for b.steps * 4) as capacity_w,
    g.group_no, g.group_id, c.provider_no, c.unit, c.phases, c.contracted_import_w, c.contracted_export_w,
    e.nominal_voltage_v,
    (
        select v.reason
        from request_event v
        where v.step = 'refused' and v.request_no = coalesce(
            (
                select r.request_no
                from capacity_request r
                where r.provider_no = o.provider_no and r.request_id = o.correlation_id
            ),
            (
                select p.request_no
                from request_repeat p
                where p.provider_no = o.provider_no and p.request_id = o.correlation_id
            )
        )
    ) as refusal
from outbound_forecast o
cross join lateral (
    select * from allocation_block a
    where a.decision_id = o.decision_id and a.kind = o.kind
        and o.group_no >= a.first_no and o.group_no < a.first_no + a.subjects
    offset 0  -- a look-up for each, in the partition where it is
) as b
join capacity_group g on g.group_no = o.group_no
cross join lateral (
    select * from contract v where v.group_no = o.group_no order by v.version desc limit 1
) as c
cross join lateral (
    select nominal_voltage_v from element_version v where v.element_no = c.element_no order by v.version desc limit 1
) as e
where o.message_id = any ($1::bigint[])
order by o.message_id;

-- name: mark_sent
update outbound_forecast o
set sent_at = now(), lease_until = null, last_error = null
where o.message_id = any ($2::bigint[]) and o.leased_by = $1 and o.sent_at is null;

-- name: leave_message_out
update outbound_forecast
set superseded_at = now(), lease_until = null, last_error = $3
where message_id = $2 and leased_by = $1 and sent_at is null;

-- name: last_sent_figures
-- What was sent last of a group and kind.
select b.first_quarter, b.step_quarters,
    substring(b.capacity_w from (o.group_no - b.first_no) * b.steps * 4 + 1 for b.steps * 4) as capacity_w
from outbound_forecast o
join allocation_block b on b.decision_id = o.decision_id and b.kind = o.kind
    and o.group_no >= b.first_no and o.group_no < b.first_no + b.subjects
where o.group_no = $1 and o.kind = $2 and o.sent_at is not null
order by o.sent_at desc
limit 1;

-- name: told_until
-- Of each kind the groups whose provider holds its newest forecast, or will as soon as what waits is sent, and the
-- quarter up to which that reaches.  Nothing is held of a message that was given up, of one that went to another
-- provider or under another contract, nor of one from before the session: what was decided meanwhile was not sent.
-- Of groups from a number up to another one, so that several can look at once.
select k.kind, array_agg(o.group_no) as groups, array_agg(o.until_quarter) as until_quarters
from current_contract c
join (
    select element_no, max(recorded_at) as recorded_at from element_version group by element_no
) as e using (element_no)
left join peer p using (provider_no)
cross join lateral unnest($1::forecast_kind[]) as k (kind)
cross join lateral (
    select m.provider_no, m.group_no, m.created_at, m.until_quarter, m.dead_at
    from outbound_forecast m
    where m.group_no = c.group_no and m.kind = k.kind and m.superseded_at is null
    order by m.message_id desc
    limit 1
) as o
where c.group_no >= $2 and c.group_no < $3
    and o.dead_at is null and o.until_quarter is not null and o.provider_no = c.provider_no
    and o.created_at >= greatest(c.recorded_at, e.recorded_at, coalesce(p.connected_at, '-infinity'))
group by k.kind;

-- name: put_off_message
update outbound_forecast
set due_at = now() + make_interval(secs => $3), lease_until = null, last_error = $4
where message_id = $2 and leased_by = $1 and sent_at is null;

-- name: bury_message
update outbound_forecast
set dead_at = now(), lease_until = null, last_error = $3
where message_id = $2 and leased_by = $1 and sent_at is null;

-- name: release_messages
update outbound_forecast
set lease_until = null, attempts = attempts - 1
where message_id = any ($2::bigint[]) and leased_by = $1 and sent_at is null;

-- name: enqueue_newest_forecasts
-- The newest decided forecast of each group and kind of a provider, unless that one is waiting already.
insert into outbound_forecast (decision_id, kind, provider_no, group_no, until_quarter)
select b.decision_id, b.kind, c.provider_no, c.group_no, b.until_quarter
from current_contract c
cross join lateral unnest(enum_range(null::forecast_kind)) as k (kind)
cross join lateral (
    select a.decision_id, a.kind, a.first_quarter + a.steps * a.step_quarters as until_quarter
    from allocation_block a
    where a.kind = k.kind and c.group_no >= a.first_no and c.group_no < a.first_no + a.subjects
    order by a.decision_id desc
    limit 1
) as b
where c.provider_no = $1
    and not exists (
        select from outbound_forecast o
        where o.provider_no = c.provider_no and o.group_no = c.group_no and o.kind = b.kind
            and o.decision_id = b.decision_id
            and o.sent_at is null and o.superseded_at is null and o.dead_at is null
    )
order by c.group_no, b.kind;
