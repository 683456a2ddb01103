-- Parts of messages that come in several requests, until all of them are there.
create table message_segment (
    provider_no int not null references provider,
    message text not null,
    request_id text not null,
    segment_index int not null,
    segment_count int not null,
    correlation_id text,
    content bytea not null,
    recorded_at timestamptz not null default now(),
    primary key (provider_no, message, request_id, segment_index),
    constraint index_within_count check (segment_index between 1 and segment_count)
);
comment on table message_segment is 'parts of messages, kept for an hour: a whole one is taken as if it had come at once';
comment on column message_segment.correlation_id is
    'of the first part: the message that is answered; of a later one: the first part, or the one before';
