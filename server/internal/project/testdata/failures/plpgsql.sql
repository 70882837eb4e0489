create table half (id int);
do $$
begin
  perform * from nowhere;
end $$;
