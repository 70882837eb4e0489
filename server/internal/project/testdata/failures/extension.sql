create table half (id int);
create extension if not exists no_such_extension with schema extensions;
