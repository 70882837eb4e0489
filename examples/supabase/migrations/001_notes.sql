create table notes (
  id bigint generated always as identity primary key,
  owner uuid not null default auth.uid() references auth.users,
  body text not null
);
alter table notes enable row level security;
create policy "own notes" on notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
