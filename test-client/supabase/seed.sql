insert into public.tags (id, name) values (1, 'home'), (2, 'work'), (3, 'later');
insert into public.secrets (id, word) values (1, 'sesame');
