create table half (id int);
\i other.sql
select 1;
