create table half (id int references base deferrable initially deferred);
insert into half values (7);
