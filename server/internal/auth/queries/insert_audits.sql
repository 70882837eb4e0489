insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
select '00000000-0000-0000-0000-000000000000', id, payload, created_at, ip
from json_to_recordset($1::json) as e(id uuid, payload json, created_at timestamptz, ip text)
