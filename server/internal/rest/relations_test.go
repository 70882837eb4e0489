package rest_test

import "testing"

//covers:rest 80 84 85 86 87 94 103
func TestNestedEmbeds(t *testing.T) {
	t.Parallel()
	f := start(t, `create table a(id int primary key, n text);
		create table b(id int primary key, a_id int references a, n text);
		create table c(id int primary key, b_id int references b, n text);
		create table d(id int primary key, c_id int references c, n text);
		create table e(id int primary key, d_id int references d, n text);
		create table f(id int primary key, e_id int references e, n text);
		insert into a values (1, 'a1'), (2, 'a2'), (3, 'a3');
		insert into b values (1, 1, 'b1'), (2, 1, 'b2'), (3, 2, 'b3');
		insert into c values (1, 1, 'c1'), (2, 3, 'c2');
		insert into d values (1, 1, 'd1');
		insert into e values (1, 1, 'e1'), (2, 1, 'e2'), (3, 1, 'e3');
		insert into f values (1, 1, 'f1'), (2, 1, 'f2')`)
	f.vectors(t, `
# five levels down, and five up again
GET /a?select=n,b(n,c(n,d(n,e(n,f(n)))))&id=eq.1&b.id=eq.1&b.c.d.e.id=lt.3&b.c.d.e.order=id&b.c.d.e.f.order=n.desc&b.c.d.e.f.limit=1
200
body [{"n":"a1","b":[{"n":"b1","c":[{"n":"c1","d":[{"n":"d1","e":[{"n":"e1","f":[{"n":"f2"}]},{"n":"e2","f":[]}]}]}]}]}]

GET /f?select=n,e(n,d(n,c(n,b(n,a(n)))))&id=eq.2
200
body [{"n":"f2","e":{"n":"e1","d":{"n":"d1","c":{"n":"c1","b":{"n":"b1","a":{"n":"a1"}}}}}}]

# one table several times, each embed with its own filter, order and window
GET /a?select=n,x:b(n),y:b(n),z:b(id)&x.id=eq.1&y.order=id.desc&y.limit=1&z.order=id&z.offset=1&order=id&limit=2
200
body [{"n":"a1","x":[{"n":"b1"}],"y":[{"n":"b2"}],"z":[{"id":2}]},{"n":"a2","x":[],"y":[{"n":"b3"}],"z":[]}]

# a path is an alias or a relation's name, of the first embed that has it
GET /a?select=n,x:b(n),b(id)&b.id=eq.1&x.n=like.b*&b.limit=1&order=id&limit=2
200
body [{"n":"a1","x":[{"n":"b1"}],"b":[{"id":1},{"id":2}]},{"n":"a2","x":[],"b":[{"id":3}]}]

GET /d?select=n,e(n)&e.order=n.desc&e.limit=2&e.offset=1
200
body [{"n":"d1","e":[{"n":"e2"},{"n":"e1"}]}]

GET /a?select=n,b(n)&b.or=(n.eq.b1,and(id.gt.2,n.like.b*))&order=id
200
body [{"n":"a1","b":[{"n":"b1"}]},{"n":"a2","b":[{"n":"b3"}]},{"n":"a3","b":[]}]

GET /a?select=n,b(n)&b.not.and=(id.gt.0,id.lt.3)&order=id
200
body [{"n":"a1","b":[]},{"n":"a2","b":[{"n":"b3"}]},{"n":"a3","b":[]}]

# inner joins drop parents, on every level
GET /a?select=n,b!inner(n)&order=id&b.order=id
200
body [{"n":"a1","b":[{"n":"b1"},{"n":"b2"}]},{"n":"a2","b":[{"n":"b3"}]}]

GET /a?select=n,b!inner(n)&b.n=eq.b3
> Prefer: count=exact
200
Content-Range: 0-0/1
body [{"n":"a2","b":[{"n":"b3"}]}]

GET /a?select=n,b!inner(n,c!inner(n,d!inner(n)))
> Prefer: count=exact
200
Content-Range: 0-0/1
body [{"n":"a1","b":[{"n":"b1","c":[{"n":"c1","d":[{"n":"d1"}]}]}]}]

GET /a?select=n,b(n,c!inner(n))&order=id
200
body [{"n":"a1","b":[{"n":"b1","c":[{"n":"c1"}]}]},{"n":"a2","b":[{"n":"b3","c":[{"n":"c2"}]}]},{"n":"a3","b":[]}]

GET /b?select=n,a!inner(n)&a.n=eq.a2
200
body [{"n":"b3","a":{"n":"a2"}}]

GET /b?select=n,a!left(n)&a.n=eq.a2&order=id
200
body [{"n":"b1","a":null},{"n":"b2","a":null},{"n":"b3","a":{"n":"a2"}}]

GET /a?select=n,b!left!b_a_id_fkey(n)&id=eq.3
200
body [{"n":"a3","b":[]}]

GET /a?select=n,b!b_a_id_fkey!inner(n)&id=eq.3
200
body []

# empty embeds join and show nothing
GET /a?select=n,b()&order=id
200
text [{"n":"a1"}, \n {"n":"a2"}, \n {"n":"a3"}]

GET /a?select=n,b!inner(c!inner())&order=id
200
body [{"n":"a1"},{"n":"a2"}]

GET /b?select=n,a!inner()&a.id=eq.2
200
body [{"n":"b3"}]

# rows with and without
GET /a?select=n,b()&b=is.null
200
body [{"n":"a3"}]

GET /a?select=n,x:b()&x.id=eq.3&x=is.null&order=id
200
body [{"n":"a1"},{"n":"a3"}]

GET /a?select=n,b(n)&b.id=eq.3&b=not.is.null
200
body [{"n":"a2","b":[{"n":"b3"}]}]

GET /a?select=n,x:b(),y:b()&x.id=eq.1&y.id=eq.3&or=(x.not.is.null,y.not.is.null)&order=id
200
body [{"n":"a1"},{"n":"a2"}]

GET /a?select=n,b()&or=(b.is.null,and(b.not.is.null,n.eq.a2))&order=id
> Prefer: count=exact
200
Content-Range: 0-1/2
body [{"n":"a2"},{"n":"a3"}]

GET /a?select=n,b(c())&b.c=not.is.null&b=not.is.null&order=id
200
body [{"n":"a1"},{"n":"a2"}]
`, "")
}

//covers:rest 77 82 88 89 91 95 97 98 101 105
func TestFindingRelationships(t *testing.T) {
	t.Parallel()
	f := start(t, `create schema hidden;
		create table folders(id int primary key, parent_id int references folders, name text);
		insert into folders values (1, null, 'root'), (2, 1, 'sub'), (3, 2, 'leaf'), (4, 1, null);
		create table one(id int primary key); create table two(id int primary key, label text);
		create table hidden.one_two(one_id int references one, two_id int references two, primary key (one_id, two_id));
		create table holder(id int primary key, two_id int references two); insert into one values (1);
		insert into two values (1, null); insert into holder values (1, 1), (2, null);
		create table people(id int primary key, name text); insert into people values (1, 'p'), (2, 'q');
		create table letters(id int primary key, from_id int references people, note text); insert into letters values (1, 2, 'hey');
		create view letters_twice as select id, from_id as sender, from_id as author, note from letters;
		create view people_names as select id, upper(name) as name from people;
		create view by_join as select l.id, p.id as person from letters l join people p on p.id = l.from_id;
		create function newest_letter(people) returns setof letters rows 1 stable language sql as 'select * from letters where from_id = $1.id order by id desc limit 1';
		create function letters(people) returns setof letters rows 1 stable language sql as 'select * from letters where from_id = $1.id limit 1';
		create function pen_pals(people) returns setof people stable language sql as 'select * from people where id <> $1.id'`)
	f.vectors(t, `
# a relation with itself: its children by the name, its parent by the column
GET /folders?select=name,folders(name)&folders.order=id&order=id
200
body [{"name":"root","folders":[{"name":"sub"},{"name":null}]},{"name":"sub","folders":[{"name":"leaf"}]},{"name":"leaf","folders":[]},{"name":null,"folders":[]}]

GET /folders?select=name,parent_id(name,parent_id(name))&id=eq.3
200
body [{"name":"leaf","parent_id":{"name":"sub","parent_id":{"name":"root"}}}]

GET /folders?select=name,children:folders!parent_id(name),parent:parent_id(name)&id=eq.2
200
body [{"name":"sub","children":[{"name":"leaf"}],"parent":{"name":"root"}}]

# a column that names its relationship, and its absence
GET /holder?select=id,two_id(id,label)&order=id
200
body [{"id":1,"two_id":{"id":1,"label":null}},{"id":2,"two_id":null}]

# a row of nulls is a row
GET /holder?select=id,two(label)&order=id
200
body [{"id":1,"two":{"label":null}},{"id":2,"two":null}]

GET /holder?select=id,two(label)&two=not.is.null
200
body [{"id":1,"two":{"label":null}}]

GET /holder?select=id,two!inner(label)
200
body [{"id":1,"two":{"label":null}}]

# a junction that is not exposed is none
GET /one?select=id,two(id)
400
body {"code":"PGRST200","details":"Searched for a foreign key relationship between 'one' and 'two' in the schema 'public', but no matches were found.","hint":null,"message":"Could not find a relationship between 'one' and 'two' in the schema cache"}

GET /one?select=id,one_two(two_id)
400
code PGRST200

# views with a column twice
GET /letters_twice?select=id,people(name)
300
code PGRST201

GET /letters_twice?select=id,sender(name),who:author(name)
200
body [{"id":1,"sender":{"name":"q"},"who":{"name":"q"}}]

GET /letters_twice?select=id,people!sender(name),who:people!author(name)
200
body [{"id":1,"people":{"name":"q"},"who":{"name":"q"}}]

GET /people?select=name,letters_twice!author(note)&id=eq.2
200
body [{"name":"q","letters_twice":[{"note":"hey"}]}]

# an expression carries no reference, the column itself does
GET /letters?select=id,people_names(name)
200
body [{"id":1,"people_names":{"name":"Q"}}]

# the equal column of a joined table is not the key
GET /by_join?select=id,people(name)
400
code PGRST200

# computed relationships: to one by ROWS 1, to many, and in the place of one that is found
GET /people?select=name,newest_letter(note)&order=id
200
body [{"name":"p","newest_letter":null},{"name":"q","newest_letter":{"note":"hey"}}]

GET /people?select=name,pen_pals(name)&pen_pals.name=eq.p&order=id
200
body [{"name":"p","pen_pals":[]},{"name":"q","pen_pals":[{"name":"p"}]}]

GET /people?select=name,letters(note)&order=id
200
body [{"name":"p","letters":null},{"name":"q","letters":{"note":"hey"}}]

GET /people?select=name,letters!whatever(note)&id=eq.2
200
body [{"name":"q","letters":{"note":"hey"}}]

GET /people?select=name&order=letters(note)
400
code PGRST108

GET /people?select=name,letters(note)&order=letters(note).desc.nullslast
200
body [{"name":"q","letters":{"note":"hey"}},{"name":"p","letters":null}]

GET /people?select=name,pen_pals(name)&order=pen_pals(name)
400
body {"code":"PGRST118","details":"'people' and 'pen_pals' do not form a many-to-one or one-to-one relationship","hint":null,"message":"A related order on 'pen_pals' is not possible"}

GET /folders?select=name,up:parent_id(name)&order=up(name).desc.nullslast,id&id=gt.1
200
body [{"name":"leaf","up":{"name":"sub"}},{"name":"sub","up":{"name":"root"}},{"name":null,"up":{"name":"root"}}]

# what is not there, and what is meant
GET /holder?select=id,too(id)
400
body {"code":"PGRST200","details":"Searched for a foreign key relationship between 'holder' and 'too' in the schema 'public', but no matches were found.","hint":"Perhaps you meant 'two' instead of 'too'.","message":"Could not find a relationship between 'holder' and 'too' in the schema cache"}

GET /holder?select=id,zebras(id)
400
body {"code":"PGRST200","details":"Searched for a foreign key relationship between 'holder' and 'zebras' in the schema 'public', but no matches were found.","hint":null,"message":"Could not find a relationship between 'holder' and 'zebras' in the schema cache"}

GET /holder?select=id,two(id)&to.id=eq.1
400
body {"code":"PGRST108","details":null,"hint":"Verify that 'to' is included in the 'select' query parameter.","message":"'to' is not an embedded resource in this request"}

GET /holder?select=id,two(id)&two.one.order=id
400
code PGRST108

GET /holder?two.limit=1
400
code PGRST108

GET /holder?two.or=(id.eq.1,id.eq.2)
400
code PGRST108
`, "")
}

//covers:rest 107 99
func TestEmbedsOfWrites(t *testing.T) {
	t.Parallel()
	const data = `truncate authors, books; insert into authors values (1, 'ann'), (2, 'bob'); insert into books values (1, 'x', 1, 3), (2, 'y', 2, 4)`
	f := start(t, `create table authors(id int primary key, name text);
		create table books(id int primary key, title text, author_id int references authors, pages int);
		create function long(books) returns bool stable language sql as 'select $1.pages > 3'; `+data)
	f.vectors(t, `
POST /books?select=title,long,authors(name)
> Prefer: return=representation
< {"id":3,"title":"new","author_id":2,"pages":9}
201
body [{"title":"new","long":true,"authors":{"name":"bob"}}]

POST /books?select=title,authors(name,books(id))&authors.books.order=id
> Prefer: return=representation
< [{"id":3,"title":"c","author_id":1},{"id":4,"title":"d","author_id":null}]
201
body [{"title":"c","authors":{"name":"ann","books":[{"id":1}]}},{"title":"d","authors":null}]

POST /books?select=t:title,a:authors(name)&order=id.desc
> Prefer: return=representation, resolution=merge-duplicates
< [{"id":1,"title":"X"},{"id":2,"title":"Y"}]
200
body [{"t":"Y","a":{"name":"bob"}},{"t":"X","a":{"name":"ann"}}]

PUT /books?id=eq.1&select=title,authors(name)
> Prefer: return=representation
< {"id":1,"title":"put","author_id":2}
200
body [{"title":"put","authors":{"name":"bob"}}]

PATCH /books?id=eq.1&select=id,authors(name)
> Prefer: return=representation
< {"author_id":2}
200
body [{"id":1,"authors":{"name":"bob"}}]

PATCH /authors?id=gt.0&select=name,books(title)&order=name.desc
> Prefer: return=representation
> Accept: application/json
< {"name":"same"}
200
body [{"name":"same","books":[{"title":"x"}]},{"name":"same","books":[{"title":"y"}]}]

DELETE /books?id=eq.2&select=title,...authors(author:name)
> Prefer: return=representation
200
body [{"title":"y","author":"bob"}]

POST /authors?select=name,books!inner(id)
> Prefer: return=representation
< {"id":3,"name":"cy"}
201
body []
sql 1 select 1 from authors where id = 3
`, data+"")
}
