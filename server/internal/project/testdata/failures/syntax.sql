create table half (id int);
create tabel other (id int);
