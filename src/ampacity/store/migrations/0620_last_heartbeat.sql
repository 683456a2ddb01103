-- When a peer was last heard; until when it is to be taken as online is its own word.
alter table peer add column last_heartbeat_at timestamptz;
