-- What was given between gates counts against a share until the next one.
create index request_event_instant on request_event (at) where detail ? 'instant_w';
