begin;
insert into base values (1);
commit;
create table half (id int);
select wrong;
