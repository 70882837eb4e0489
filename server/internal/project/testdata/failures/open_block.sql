begin;
create table half (id int);
