package rest_test

import (
	"net/http"
	"testing"
)

const embedSchema = `
create schema hidden;
create table users(id int primary key, name text);
create table rooms(id int primary key, slug text, owner_id int references users(id));
create table messages(id int primary key, body text, sender int constraint messages_sender_fk references users(id),
  receiver int constraint messages_receiver_fk references users(id), room_id int references rooms(id));
create table friends(first int references users(id), second int references users(id), since int, primary key (first, second));
create table tags(id int primary key, label text);
create table message_tags(message_id int references messages(id), tag_id int references tags(id), primary key (message_id, tag_id));
create table orgs(a int, b int, title text, primary key (a, b));
create table staff(id int primary key, org_a int, org_b int, name text, foreign key (org_a, org_b) references orgs(a, b));
create table hidden.secrets(id int primary key, user_id int references users(id));
create table badges(user_id int unique references users(id), kind text);
create view message_view as select id as mid, body as text, room_id as room, upper(body) as loud from messages;
create view message_view2 as select mid as id2, room from message_view;
create function best_friend(users) returns setof users rows 1 stable language sql as $$ select u.* from friends f join users u on u.id = f.second where f.first = $1.id order by f.since limit 1 $$;
create function rooms(users) returns setof rooms stable language sql as $$ select * from rooms where slug like $1.name || '%' $$;
create table events(id int, day date, user_id int references users(id), primary key (id, day)) partition by range (day);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
insert into users values (1, 'ann'), (2, 'bob'), (3, 'cy');
insert into rooms values (1, 'ann-room', 1), (2, 'public', null);
insert into messages values (1, 'hi', 1, 2, 1), (2, 'yo', 2, 1, 1), (3, 'hm', 2, 3, 2);
insert into friends values (1, 2, 5), (1, 3, 1), (2, 3, 9);
insert into tags values (1, 'x'), (2, 'y'); insert into message_tags values (1, 1), (1, 2), (3, 2);
insert into orgs values (1, 1, 'one'), (1, 2, 'two'); insert into staff values (1, 1, 2, 'eve'), (2, 1, null, 'odd');
insert into badges values (1, 'gold'); insert into events values (1, '2024-05-05', 1);
`

//covers:rest 77 78 79 81 82 83 84 86 92 93 96 98 99 102 103
func TestEmbedding(t *testing.T) {
	t.Parallel()
	f := start(t, embedSchema)
	c := f.as(t, "service_role", nil)
	for _, q := range []struct{ path, want string }{
		// hints: by constraint, by column, by target column name, by constraint as target
		{"/messages?select=id,users!messages_sender_fk(name)&id=eq.1", `[{"id":1,"users":{"name":"ann"}}]`},
		{"/messages?select=id,from:users!sender(name),to:users!receiver(name)&id=eq.1", `[{"id":1,"from":{"name":"ann"},"to":{"name":"bob"}}]`},
		{"/messages?select=id,sender(name)&id=eq.2", `[{"id":2,"sender":{"name":"bob"}}]`},
		{"/messages?select=id,messages_receiver_fk(name)&id=eq.2", `[{"id":2,"messages_receiver_fk":{"name":"ann"}}]`},
		{"/users?select=name,messages!messages_sender_fk(id)&messages.order=id&id=eq.2", `[{"name":"bob","messages":[{"id":2},{"id":3}]}]`},
		{"/users?select=name,sent:messages!messages_sender_fk(id),got:messages!messages_receiver_fk(id)&id=eq.1", `[{"name":"ann","sent":[{"id":1}],"got":[{"id":2}]}]`},
		// several levels, filters and windows at each
		{"/rooms?select=slug,messages(body,tags(label))&messages.order=id.desc&messages.limit=1&messages.tags.label=eq.y&order=id", `[{"slug":"ann-room","messages":[{"body":"yo","tags":[]}]},{"slug":"public","messages":[{"body":"hm","tags":[{"label":"y"}]}]}]`},
		{"/rooms?select=id,messages!inner(id,message_tags!inner(tag_id))&messages.message_tags.tag_id=eq.1", `[{"id":1,"messages":[{"id":1,"message_tags":[{"tag_id":1}]}]}]`},
		{"/rooms?select=id,m:messages(id)&m.or=(id.eq.1,body.eq.hm)&m.order=id", `[{"id":1,"m":[{"id":1}]},{"id":2,"m":[{"id":3}]}]`},
		{"/rooms?select=id,m:messages(id)&messages.id=eq.1&order=id", `[{"id":1,"m":[{"id":1}]},{"id":2,"m":[]}]`},
		{"/rooms?select=id,a:messages(id),b:messages(body)&a.id=eq.1&b.id=eq.2&id=eq.1", `[{"id":1,"a":[{"id":1}],"b":[{"body":"yo"}]}]`},
		{"/messages?select=id,rooms()&rooms.slug=eq.public&rooms=not.is.null", `[{"id":3}]`},
		{"/messages?select=id,rooms!inner()&rooms.slug=eq.public", `[{"id":3}]`},
		// many to many, also of a relation with itself
		{"/messages?select=id,tags(label)&tags.order=label.desc&id=eq.1", `[{"id":1,"tags":[{"label":"y"},{"label":"x"}]}]`},
		{"/messages?select=id,tags!message_tags(label)&tags.label=eq.x&id=eq.1", `[{"id":1,"tags":[{"label":"x"}]}]`},
		// one to one, both ways; composite keys; a part of a key that is null
		{"/users?select=id,badges(kind)&order=id&limit=2", `[{"id":1,"badges":{"kind":"gold"}},{"id":2,"badges":null}]`},
		{"/badges?select=kind,users(name)", `[{"kind":"gold","users":{"name":"ann"}}]`},
		{"/staff?select=name,orgs(title)&order=id", `[{"name":"eve","orgs":{"title":"two"}},{"name":"odd","orgs":null}]`},
		{"/orgs?select=title,staff(name)&order=b", `[{"title":"one","staff":[]},{"title":"two","staff":[{"name":"eve"}]}]`},
		// views take part in the relationships of their columns
		{"/message_view?select=text,rooms(slug)&mid=eq.3", `[{"text":"hm","rooms":{"slug":"public"}}]`},
		{"/rooms?select=slug,message_view(text)&id=eq.2", `[{"slug":"public","message_view":[{"text":"hm"}]}]`},
		{"/message_view2?select=id2,rooms(slug)&id2=eq.1", `[{"id2":1,"rooms":{"slug":"ann-room"}}]`},
		{"/message_view?select=mid,message_tags(tag_id)&mid=eq.3", `[{"mid":3,"message_tags":[{"tag_id":2}]}]`},
		// computed relationships; one of a relation's name hides the detected one
		{"/users?select=name,best_friend(name)&order=id", `[{"name":"ann","best_friend":{"name":"cy"}},{"name":"bob","best_friend":{"name":"cy"}},{"name":"cy","best_friend":null}]`},
		{"/users?select=name,rooms(slug)&id=eq.1", `[{"name":"ann","rooms":[{"slug":"ann-room"}]}]`},
		{"/users?select=name,best_friend(name,best_friend(name))&id=eq.1", `[{"name":"ann","best_friend":{"name":"cy","best_friend":null}}]`},
		// partitioned tables
		{"/events?select=id,users(name)", `[{"id":1,"users":{"name":"ann"}}]`},
		// spreads
		{"/messages?select=id,...sender(who:name),...rooms(slug)&id=eq.1", `[{"id":1,"who":"ann","slug":"ann-room"}]`},
		{"/messages?select=id,...rooms(...users(owner:name))&id=eq.1", `[{"id":1,"owner":"ann"}]`},
		{"/rooms?select=id,...messages(ids:id,body)&messages.order=id.desc&order=id", `[{"id":1,"ids":[2,1],"body":["yo","hi"]},{"id":2,"ids":[3],"body":["hm"]}]`},
		{"/users?select=name,...badges(*)&id=eq.1", `[{"name":"ann","user_id":1,"kind":"gold"}]`},
		// a related column sorts the parents
		{"/messages?select=id,sender(name)&order=sender(name).desc,id.desc", `[{"id":3,"sender":{"name":"bob"}},{"id":2,"sender":{"name":"bob"}},{"id":1,"sender":{"name":"ann"}}]`},
	} {
		t.Run(q.path, func(t *testing.T) { c.get(t, q.path).want(t, http.StatusOK, q.want) })
	}
	c.send(t, "POST", "/messages?select=id,rooms(slug),sender(name)", `{"id":9,"room_id":2,"sender":3}`, "Prefer: return=representation").
		want(t, 201, `[{"id":9,"rooms":{"slug":"public"},"sender":{"name":"cy"}}]`)
	c.send(t, "PATCH", "/messages?id=eq.9&select=body,tags(label),rooms!inner(slug)", `{"body":"new"}`, "Prefer: return=representation").
		want(t, 200, `[{"body":"new","tags":[],"rooms":{"slug":"public"}}]`)
	c.send(t, "PATCH", "/users?id=eq.1&select=name,best_friend(name)", `{"name":"anna"}`, "Prefer: return=representation").
		want(t, 200, `[{"name":"anna","best_friend":{"name":"cy"}}]`)
	c.send(t, "DELETE", "/messages?id=eq.9&select=id,rooms(slug)", "", "Prefer: return=representation").
		want(t, 200, `[{"id":9,"rooms":{"slug":"public"}}]`)
}

//covers:rest 88 90 91 101
func TestEmbeddingErrors(t *testing.T) {
	t.Parallel()
	f := start(t, embedSchema)
	c := f.as(t, "service_role", nil)
	c.get(t, "/messages?select=id,users(name)").want(t, 300, `{"code":"PGRST201","details":[
		{"cardinality":"many-to-one","embedding":"messages with users","relationship":"messages_receiver_fk using messages(receiver) and users(id)"},
		{"cardinality":"many-to-one","embedding":"messages with users","relationship":"messages_sender_fk using messages(sender) and users(id)"}],
		"hint":"Try changing 'users' to one of the following: 'users!messages_receiver_fk', 'users!messages_sender_fk'. Find the desired relationship in the 'details' key.",
		"message":"Could not embed because more than one relationship was found for 'messages' and 'users'"}`)
	f.exec(t, `create table teams(id int primary key, lead int);
		create table players(id int primary key, team_id int constraint a_team references teams);
		alter table teams add constraint b_lead foreign key (lead) references players;
		create table games(home int constraint g_home references teams, away int constraint g_away references teams,
			player int constraint g_player references players, primary key (home, away, player))`)
	c.get(t, "/players?select=teams(id)").want(t, 300, `{"code":"PGRST201","details":[
		{"cardinality":"one-to-many","embedding":"players with teams","relationship":"b_lead using players(id) and teams(lead)"},
		{"cardinality":"many-to-one","embedding":"players with teams","relationship":"a_team using players(team_id) and teams(id)"},
		{"cardinality":"many-to-many","embedding":"players with teams","relationship":"games using g_player(player) and g_away(away)"},
		{"cardinality":"many-to-many","embedding":"players with teams","relationship":"games using g_player(player) and g_home(home)"}],
		"hint":"Try changing 'teams' to one of the following: 'teams!b_lead', 'teams!a_team', 'teams!games', 'teams!games'. Find the desired relationship in the 'details' key.",
		"message":"Could not embed because more than one relationship was found for 'players' and 'teams'"}`)
	c.get(t, "/users?select=id,secrets(id)").wantCode(t, 400, "PGRST200")
	c.get(t, "/messages?select=id,users!nope(name)").want(t, 400, `{"code":"PGRST200","hint":null,"message":"Could not find a relationship between 'messages' and 'users' in the schema cache",
		"details":"Searched for a foreign key relationship between 'messages' and 'users' using the hint 'nope' in the schema 'public', but no matches were found."}`)
	c.get(t, "/rooms?select=id,messages(id)&order=messages(id)").want(t, 400, `{"code":"PGRST118","hint":null,"message":"A related order on 'messages' is not possible",
		"details":"'rooms' and 'messages' do not form a many-to-one or one-to-one relationship"}`)
	c.get(t, "/rooms?select=id&order=messages(id)").wantCode(t, 400, "PGRST108")
	c.get(t, "/rooms?select=id,messages(id)&messages.tags.id=eq.1").wantCode(t, 400, "PGRST108")
	c.get(t, "/rooms?select=id,messages(nope)").want(t, 400, `{"code":"42703","details":null,"hint":null,"message":"column messages_1.nope does not exist"}`)
	c.get(t, "/rooms?select=id,messages(id),messages(body)").wantCode(t, 400, "42712")
	c.get(t, "/events_2024").wantCode(t, 404, "PGRST205")
}

//covers:rest 71 72 73 76
func TestAggregates(t *testing.T) {
	t.Parallel()
	f := start(t, `create table shops(id int primary key, city text);
		create table sales(id int primary key, shop_id int references shops(id), price numeric, kind text, data jsonb);
		create table notes(id int primary key, sale_id int references sales(id));
		insert into shops values (1, 'x'), (2, 'y');
		insert into sales values (1, 1, 5, 'a', '{"n":1}'), (2, 1, 7, 'b', '{"n":2}'), (3, 2, 9, 'a', '{"n":3}');
		insert into notes select n, n from generate_series(1, 3) n`)
	f.configure(t, "db_aggregates_enabled", "true")
	c := f.as(t, "service_role", nil)
	for _, q := range []struct{ path, want string }{
		{"/sales?select=count()", `[{"count":3}]`},
		{"/sales?select=price.sum(),m:price.max()::text,avg:price::int.avg()::int", `[{"sum":21,"m":"9","avg":7}]`},
		{"/sales?select=kind,price.sum()&order=kind", `[{"kind":"a","sum":14},{"kind":"b","sum":7}]`},
		{"/sales?select=k:kind,n:count()&order=kind", `[{"k":"a","n":2},{"k":"b","n":1}]`},
		{"/sales?select=data->n,count()&id=eq.1", `[{"n":1,"count":1}]`},
		{"/shops?select=city,sales(price.sum())&order=city", `[{"city":"x","sales":[{"sum":12}]},{"city":"y","sales":[{"sum":9}]}]`},
		{"/shops?select=city,sales(kind,price.sum())&sales.order=kind&id=eq.1", `[{"city":"x","sales":[{"kind":"a","sum":5},{"kind":"b","sum":7}]}]`},
		{"/sales?select=...shops(city),price.sum()&order=shops(city)", `[{"city":"x","sum":12},{"city":"y","sum":9}]`},
		{"/sales?select=kind,...shops(id.max())&order=kind", `[{"kind":"a","max":2},{"kind":"b","max":1}]`},
		{"/sales?select=shops(city),price.sum()&kind=eq.b", `[{"shops":{"city":"x"},"sum":7}]`},
		{"/notes?select=...sales(shops(city),price.sum())&id=lt.3", `[{"shops":{"city":"x"},"sum":12}]`},
		{"/sales?select=*,count()&id=eq.2", `[{"id":2,"shop_id":1,"price":7,"kind":"b","data":{"n":2},"count":1}]`},
	} {
		t.Run(q.path, func(t *testing.T) { c.get(t, q.path).want(t, http.StatusOK, q.want) })
	}
	c.get(t, "/shops?select=city,...sales(price.sum())").wantCode(t, 400, "PGRST127")
}
