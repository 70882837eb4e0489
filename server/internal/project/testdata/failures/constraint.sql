create table half (id int primary key);
insert into half values (1);
-- twice
insert into half
  values (1);
