begin;
create table half (id int);
vacuum base;
commit;
