create table half (id int, at extensions.vector(3));
