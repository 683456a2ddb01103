-- A large request can wait for an operator's yes or no, and a grant that is not used lapses.  (A step of its own:
-- new values of a type can be used in the next transaction.)
alter type request_step add value 'deferred';
alter type request_step add value 'approved';
alter type request_step add value 'rejected';
alter type request_step add value 'lapsed';
