create table half (id int);
select set_config('search_path', '', false);
select uuid_generate_v4();
