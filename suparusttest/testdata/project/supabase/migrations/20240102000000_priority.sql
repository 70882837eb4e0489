alter table public.todos add column priority int not null default 1;
