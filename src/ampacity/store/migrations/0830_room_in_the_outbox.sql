-- A message that is claimed, or put off, stays in its page: then none of the table's indexes gets another entry.
alter table outbound_forecast set (fillfactor = 60);
