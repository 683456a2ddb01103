-- Limits that a person sets for a time.  Times are the clock of the data, recorded_at is the wall's.

create type limit_kind as enum ('emergency', 'override');

create table limit_change (
    limit_no bigint generated always as identity primary key,
    element_no int not null references element,
    kind limit_kind not null,
    limit_w double precision not null check (limit_w >= 0),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    reason text not null check (btrim(reason) <> ''),
    set_by int not null references account,
    set_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    constraint ends_after_it_starts check (ends_at > starts_at)
);
create index limit_change_by_end on limit_change (ends_at);
comment on column limit_change.limit_w is 'what each phase may carry meanwhile [W]: an emergency only lowers, an override replaces the rating';

create type limit_step as enum ('confirmed', 'refused', 'withdrawn');

create table limit_event (
    event_no bigint generated always as identity primary key,
    limit_no bigint not null references limit_change,
    step limit_step not null,
    at timestamptz not null,
    account_no int not null references account,
    recorded_at timestamptz not null default now()
);
create unique index limit_event_once on limit_event (limit_no, step);
create unique index limit_answered_once on limit_event (limit_no) where step in ('confirmed', 'refused');

-- Four eyes: an override is confirmed or refused by another account than the one that set it.
create function need_four_eyes() returns trigger language plpgsql as $$
begin
    if new.step = 'confirmed' and exists (
        select from limit_change c where c.limit_no = new.limit_no and c.set_by = new.account_no
    ) then
        raise exception 'limit % was set by the same account', new.limit_no using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger limit_event_four_eyes before insert on limit_event for each row execute function need_four_eyes();

-- Which limit holds when: an emergency at once, an override once it is confirmed, both until they end or are withdrawn.
create view limit_story as
select c.*,
    case when c.kind = 'emergency' then c.set_at else confirmed.at end as decided_at,
    confirmed.account_no as confirmed_by, refused.at as refused_at, refused.account_no as refused_by,
    withdrawn.at as withdrawn_at, withdrawn.account_no as withdrawn_by
from limit_change c
left join limit_event confirmed on confirmed.limit_no = c.limit_no and confirmed.step = 'confirmed'
left join limit_event refused on refused.limit_no = c.limit_no and refused.step = 'refused'
left join limit_event withdrawn on withdrawn.limit_no = c.limit_no and withdrawn.step = 'withdrawn';
