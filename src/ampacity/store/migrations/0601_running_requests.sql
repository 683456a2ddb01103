-- What becomes of requests is looked at while their quarters last: by their end, not among all that were ever made.

create index capacity_request_end on capacity_request ((first_quarter + quarters));
