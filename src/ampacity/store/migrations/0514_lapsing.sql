-- What lapsed before a decision is looked up by request.
create index request_event_lapsed on request_event (request_no, decision_id) where step = 'lapsed';
