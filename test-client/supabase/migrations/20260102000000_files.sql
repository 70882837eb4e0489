insert into storage.buckets (id, name, public) values ('avatars', 'avatars', true), ('papers', 'papers', false);

create policy "one's own folder" on storage.objects to authenticated
  using (bucket_id in ('avatars', 'papers') and (storage.foldername(name))[1] = (select auth.uid()::text))
  with check (bucket_id in ('avatars', 'papers') and (storage.foldername(name))[1] = (select auth.uid()::text));
