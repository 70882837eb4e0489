-- The same as the test of the database's image has, with numbers in the place of a vector.
create table public.notes (id int primary key, owner uuid not null default auth.uid(), place float[] not null);
alter table public.notes enable row level security;
create policy own on public.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create function public.nearest(n int) returns setof public.notes language sql stable as
  'select * from public.notes order by place[1] ^ 2 + place[2] ^ 2 limit n';
insert into storage.buckets (id, name, public) values ('files', 'files', true);
