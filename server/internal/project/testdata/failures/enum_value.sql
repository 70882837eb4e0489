create table half (id int);
alter type base_mood add value 'b';
select 'b'::base_mood;
