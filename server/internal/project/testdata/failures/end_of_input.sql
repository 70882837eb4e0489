create table half (id int);
select (1;
