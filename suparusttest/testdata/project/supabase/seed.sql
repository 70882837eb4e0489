insert into public.todos (task, priority) select 'task ' || i, i from generate_series(1, 5) i;
