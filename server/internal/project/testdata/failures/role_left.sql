create table half (id int);
set role anon;
