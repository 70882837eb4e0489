set local role supabase_storage_admin;

-- Row security, which is on everywhere, is what protects these tables.
grant all on storage.buckets, storage.objects to postgres with grant option;
grant all on storage.buckets, storage.objects, storage.migrations,
  storage.buckets_analytics, storage.buckets_vectors, storage.vector_indexes
to postgres, anon, authenticated, service_role;

grant select on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts,
  storage.iceberg_namespaces, storage.iceberg_tables
to anon, authenticated;
grant all on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts,
  storage.iceberg_namespaces, storage.iceberg_tables
to service_role;

grant execute on function storage.foldername(text), storage.filename(text), storage.extension(text)
to anon, authenticated, service_role, dashboard_user, postgres;

reset role;
