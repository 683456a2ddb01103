-- An operator answers once; until when is in the detail of the step 'deferred'.
create unique index request_answered_by_operator_once on request_event (request_no) where step in ('approved', 'rejected');
