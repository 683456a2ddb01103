-- What was decided between cycles is looked up for every request and every cycle, however old the database is.
create index decision_between_cycles on decision (made_at desc) where kind <> 'cycle';
