with p as (
  select coalesce(jsonb_agg(provider order by first), '[]') as providers, min(provider) filter (where rank = 1) as provider
  from (
    select provider, min(created_at) as first, row_number() over (order by min(created_at), provider) as rank
    from auth.identities where user_id = $1 group by provider
  ) i
)
update auth.users u
set updated_at = $2,
    raw_app_meta_data = case jsonb_typeof(u.raw_app_meta_data) when 'object' then u.raw_app_meta_data else '{}' end
      || jsonb_build_object('providers', p.providers)
      || case when p.provider is null then '{}' else jsonb_build_object('provider', p.provider) end
from p
where u.id = $1
