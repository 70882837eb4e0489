create table public.todos (id bigint generated always as identity primary key, task text not null, done boolean not null default false);
