select exists (
  select from auth.sessions s
  where s.user_id = $1 and s.id <> $2
    and coalesce(s.refreshed_at at time zone 'UTC', s.created_at) > $3
    and (s.not_after is null or s.not_after >= $4)
    and ($5::timestamptz is null or s.created_at >= $5)
    and ($6::timestamptz is null or coalesce(s.refreshed_at at time zone 'UTC', s.created_at) >= $6)
    and ($7::timestamptz is null or s.aal = 'aal2' or s.created_at >= $7)
    and case when s.tag = any($8::text[]) then s.tag else $9::text end = $10::text)
