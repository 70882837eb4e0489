create table half (id int);

create policy p on half
	using (owner = auth.uid());
select 1;
