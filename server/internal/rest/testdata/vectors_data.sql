truncate teams, people, skills, people_skills, profiles, nodes, notes restart identity cascade;
insert into teams(name) values ('red'),('blue'),('green');
insert into people(full_name,team_id,tags,meta) values ('Ann Lee',1,'{x,y}','{"a":{"b":2}}'),('Bob Ray',1,'{y}','{"a":5}'),('Cy Ott',2,'{}','{}'),('Di Poe',null,'{z}',null);
insert into skills values (1,'go'),(2,'sql'); insert into people_skills values (1,1,3),(1,2,2),(2,2,1); insert into profiles values (1,'bio a');
insert into nodes values (1,null,'root'),(2,1,'kid'),(3,1,'kid2'); insert into notes(owner,body) select 'u'||(i%10), 'note '||i from generate_series(1,1000) i;
