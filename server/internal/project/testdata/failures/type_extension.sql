select set_config('search_path', '', false);
create table public.half (id int, email citext);
