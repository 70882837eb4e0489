import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { anonymous, ok, service, signUp } from './clients.mjs'

let ann, bob

beforeAll(async () => {
  ;[ann, bob] = await Promise.all([signUp('ann'), signUp('bob')])
})

// insert writes notes of ann's and returns them.
const insert = async (...rows) => ok(await ann.client.from('notes').insert(rows, { defaultToNull: false }).select())

describe('row level security', () => {
  test('the owner sees a note, others see it when it is shared', async () => {
    const [own, shared] = await insert({ title: 'own' }, { title: 'shared', shared: true })
    expect(own.owner).toBe(ann.user.id)
    for (const [who, client, want] of [
      ['the owner', ann.client, ['own', 'shared']],
      ['another user', bob.client, ['shared']],
      ['a visitor', anonymous(), ['shared']],
      ['the service', service(), ['own', 'shared']],
    ]) {
      const rows = ok(await client.from('notes').select('title').in('id', [own.id, shared.id]).order('id'))
      expect(rows.map((r) => r.title), who).toEqual(want)
    }
  })

  test('a note for somebody else is refused', async () => {
    const { data, error, status } = await bob.client.from('notes').insert({ title: 'x', owner: ann.user.id })
    expect(data).toBeNull()
    expect(status).toBe(403)
    expect(error).toMatchObject({
      code: '42501',
      message: 'new row violates row-level security policy for table "notes"',
      details: null,
      hint: null,
    })
  })

  test('a visitor may not write', async () => {
    const { error, status } = await anonymous().from('notes').insert({ title: 'x', owner: ann.user.id })
    expect(status).toBe(401)
    expect(error).toMatchObject({ code: '42501' })
  })

  test('notes of others are neither changed nor deleted', async () => {
    const [note] = await insert({ title: 'mine', shared: true })
    expect(ok(await bob.client.from('notes').update({ title: 'his' }).eq('id', note.id).select())).toEqual([])
    expect(ok(await bob.client.from('notes').delete().eq('id', note.id).select())).toEqual([])
    expect(ok(await ann.client.from('notes').select('title').eq('id', note.id).single())).toEqual({ title: 'mine' })
  })

  test('without a policy there are no rows, without a grant there is an error', async () => {
    expect(ok(await ann.client.from('secrets').select())).toEqual([])
    expect(ok(await service().from('secrets').select())).toEqual([{ id: 1, word: 'sesame' }])
    const user = await ann.client.from('vault').select()
    expect(user.status).toBe(403)
    expect(user.error).toMatchObject({ code: '42501', message: 'permission denied for table vault' })
    expect((await anonymous().from('vault').select()).status).toBe(401)
  })

  test('the trigger on auth.users wrote a profile', async () => {
    const rows = ok(await anonymous().from('profiles').select('name').in('id', [ann.user.id, bob.user.id]).order('name'))
    expect(rows).toEqual([{ name: 'ann' }, { name: 'bob' }])
  })
})

describe('writes', () => {
  test('insert answers 201, with rows when they are asked for', async () => {
    const quiet = await ann.client.from('notes').insert({ title: 'quiet' })
    expect(quiet).toMatchObject({ status: 201, statusText: 'Created', data: null, error: null })
    const { status, data } = await ann.client.from('notes').insert([{ title: 'a' }, { title: 'b' }]).select('title, stars')
    expect(status).toBe(201)
    expect(data).toEqual([{ title: 'a', stars: 0 }, { title: 'b', stars: 0 }])
  })

  test('what a row of many leaves out is null, or its default where that is asked for', async () => {
    const rows = [{ title: 'a' }, { title: 'b', stars: 2 }]
    expect((await ann.client.from('notes').insert(rows)).error).toMatchObject({ code: '23502' })
    const { data } = await ann.client.from('notes').insert(rows, { defaultToNull: false }).select('title, stars')
    expect(data).toEqual([{ title: 'a', stars: 0 }, { title: 'b', stars: 2 }])
  })

  test('update and delete', async () => {
    const [note] = await insert({ title: 'old' })
    expect(await ann.client.from('notes').update({ title: 'new' }).eq('id', note.id)).toMatchObject({ status: 204, data: null })
    expect(await ann.client.from('notes').delete().eq('id', note.id).select('title').single()).toMatchObject({ status: 200, data: { title: 'new' } })
    expect(ok(await ann.client.from('notes').select().eq('id', note.id).maybeSingle())).toBeNull()
  })

  test('upsert', async () => {
    const id = 1_000_000 + Math.floor(Math.random() * 1e9)
    expect((await ann.client.from('notes').upsert({ id, title: 'one' })).status).toBe(201)
    expect(await ann.client.from('notes').upsert({ id, title: 'two' }).select('title').single()).toMatchObject({ status: 200, data: { title: 'two' } })
    const skipped = await ann.client.from('notes').upsert({ id, title: 'three' }, { ignoreDuplicates: true }).select()
    expect(skipped).toMatchObject({ status: 201, data: [] })
    const handle = randomUUID()
    ok(await service().from('profiles').upsert({ id: bob.user.id, name: 'bob', handle }, { onConflict: 'id' }))
    expect(ok(await anonymous().from('profiles').select('id').eq('handle', handle).single())).toEqual({ id: bob.user.id })
  })

  test('json, arrays and null go and come back as they are', async () => {
    const row = { title: 'kinds "quoted", and ünïcödé', data: { a: [1, null, { b: 'ü' }] }, labels: ['a b', 'c,d', '"e"'] }
    const [note] = await insert(row)
    expect(note).toMatchObject(row)
    expect(note.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/)
  })
})

describe('reading', () => {
  let notes
  const read = (select = 'title', o) => ann.client.from('notes').select(select, o).in('id', notes.map((n) => n.id))
  const titles = async (query) => ok(await query).map((r) => r.title)

  beforeAll(async () => {
    notes = await insert(
      { title: 'apple', stars: 5, labels: ['red', 'round'], data: { kind: 'fruit', kg: 0.2 } },
      { title: 'banana', stars: 3, labels: ['yellow'], data: { kind: 'fruit', kg: 0.1 } },
      { title: 'carrot', stars: 3, labels: ['orange'], data: { kind: 'root' } },
      { title: 'date', stars: 0 },
    )
    ok(await service().from('note_tags').insert([
      { note_id: notes[0].id, tag_id: 1 },
      { note_id: notes[0].id, tag_id: 2 },
      { note_id: notes[2].id, tag_id: 2 },
    ]))
  })

  test('filters', async () => {
    const by = (q) => titles(q.order('title'))
    expect(await by(read().eq('stars', 3))).toEqual(['banana', 'carrot'])
    expect(await by(read().neq('stars', 3))).toEqual(['apple', 'date'])
    expect(await by(read().gt('stars', 0).lte('stars', 3))).toEqual(['banana', 'carrot'])
    expect(await by(read().ilike('title', '%AN%'))).toEqual(['banana'])
    expect(await by(read().or('stars.eq.5,and(stars.eq.3,title.like.c*)'))).toEqual(['apple', 'carrot'])
    expect(await by(read().not('title', 'in', '(apple,date)'))).toEqual(['banana', 'carrot'])
    expect(await by(read().contains('labels', ['red']))).toEqual(['apple'])
    expect(await by(read().overlaps('labels', ['yellow', 'orange']))).toEqual(['banana', 'carrot'])
    expect(await by(read().contains('data', { kind: 'fruit' }))).toEqual(['apple', 'banana'])
    expect(await by(read().eq('data->>kind', 'root'))).toEqual(['carrot'])
    expect(await by(read().is('data->kg', null))).toEqual(['carrot', 'date'])
    expect(await by(read().match({ stars: 3, title: 'carrot' }))).toEqual(['carrot'])
    expect(await by(read().textSearch('title', 'apple | date'))).toEqual(['apple', 'date'])
  })

  test('select: columns, aliases, casts and JSON paths', async () => {
    expect(ok(await read('name:title, stars::text, kind:data->>kind').eq('title', 'apple').single()))
      .toEqual({ name: 'apple', stars: '5', kind: 'fruit' })
  })

  test('order, limit and range', async () => {
    const order = () => read().order('stars', { ascending: false }).order('title', { ascending: false })
    expect(await titles(order())).toEqual(['apple', 'carrot', 'banana', 'date'])
    expect(await titles(order().limit(2))).toEqual(['apple', 'carrot'])
    expect(await titles(order().range(1, 2))).toEqual(['carrot', 'banana'])
  })

  test('counts', async () => {
    expect(await read('*', { count: 'exact', head: true })).toMatchObject({ count: 4, data: null, status: 200 })
    const page = await read('title', { count: 'exact' }).order('title').range(0, 1)
    expect(page).toMatchObject({ status: 206, count: 4, data: [{ title: 'apple' }, { title: 'banana' }] })
    const beyond = await read('title', { count: 'exact' }).range(10, 20)
    expect(beyond).toMatchObject({ status: 416, error: { code: 'PGRST103' } })
  })

  test('embeds: to one, to many, through a join table', async () => {
    const note = ok(await read('title, author:profiles(name), tags(name)').order('name', { referencedTable: 'tags' }).eq('title', 'apple').single())
    expect(note).toEqual({ title: 'apple', author: { name: 'ann' }, tags: [{ name: 'home' }, { name: 'work' }] })
    const inner = ok(await read('title, tags!inner(name)').eq('tags.name', 'work').order('title'))
    expect(inner).toEqual([
      { title: 'apple', tags: [{ name: 'work' }] },
      { title: 'carrot', tags: [{ name: 'work' }] },
    ])
    const mine = ok(await ann.client.from('profiles').select('name, notes(count)').eq('id', ann.user.id).single())
    expect(mine.notes[0].count).toBeGreaterThanOrEqual(4)
    expect(ok(await read('title, ...profiles(author:name)').eq('title', 'date').single())).toEqual({ title: 'date', author: 'ann' })
  })

  test('an embed shows what the caller may see', async () => {
    const rows = ok(await bob.client.from('profiles').select('notes(title)').eq('id', ann.user.id).single())
    expect(rows.notes.map((n) => n.title)).not.toContain('apple')
  })

  test('CSV', async () => {
    expect(ok(await read('title,stars').order('title').limit(2).csv())).toBe('title,stars\napple,5\nbanana,3')
  })
})

describe('rpc', () => {
  test('a scalar, a composite, rows, nothing', async () => {
    expect(ok(await anonymous().rpc('add', { a: 1, b: 2 }))).toBe(3)
    expect(ok(await anonymous().rpc('add', { a: 1, b: 2 }, { get: true }))).toBe(3)
    expect(await anonymous().rpc('touch')).toMatchObject({ status: 204, data: null, error: null })
  })

  test('runs as the caller', async () => {
    const who = async (client) => ok(await client.rpc('whoami'))
    expect(await who(ann.client)).toEqual({ role: 'authenticated', uid: ann.user.id, email: ann.email })
    expect(await who(anonymous())).toEqual({ role: 'anon', uid: null, email: null })
    expect(await who(service())).toMatchObject({ role: 'service_role' })
  })

  test('rows can be filtered, ordered and embedded', async () => {
    await insert({ title: 'rpc low', stars: 1 }, { title: 'rpc high', stars: 4 })
    const rows = ok(await ann.client.rpc('starred', { at_least: 1 }).select('title, profiles(name)').like('title', 'rpc %').order('stars', { ascending: false }))
    expect(rows).toEqual([
      { title: 'rpc high', profiles: { name: 'ann' } },
      { title: 'rpc low', profiles: { name: 'ann' } },
    ])
  })

  test('raise reaches the client', async () => {
    const { status, error } = await anonymous().rpc('refuse', { reason: 'not today' })
    expect(status).toBe(400)
    expect(error).toMatchObject({ code: 'P0001', message: 'not today', details: null, hint: 'ask again' })
  })
})

describe('errors', () => {
  test.each([
    ['no row for single()', 0],
    ['two rows for single()', 2],
  ])('%s', async (_, n) => {
    const rows = n ? await insert({ title: 'x' }, { title: 'y' }) : []
    const { data, status, error } = await ann.client.from('notes').select().in('id', [0, ...rows.map((r) => r.id)]).single()
    expect(data).toBeNull()
    expect(status).toBe(406)
    expect(error).toMatchObject({
      code: 'PGRST116',
      message: 'Cannot coerce the result to a single JSON object',
      details: `The result contains ${n} rows`,
      hint: null,
    })
  })

  test('a duplicate key', async () => {
    const [{ id }] = await insert({ title: 'first' })
    const { status, statusText, error } = await ann.client.from('notes').insert({ id, title: 'second' })
    expect([status, statusText]).toEqual([409, 'Conflict'])
    expect(error).toMatchObject({
      code: '23505',
      message: 'duplicate key value violates unique constraint "notes_pkey"',
      details: null, // row level security hides the key
    })
    const tag = await service().from('tags').insert({ id: 1, name: 'again' })
    expect(tag.error).toMatchObject({ code: '23505', details: 'Key (id)=(1) already exists.' })
  })

  test('constraints', async () => {
    const notes = ann.client.from('notes')
    expect((await notes.insert({ title: null })).error).toMatchObject({ code: '23502' })
    expect((await notes.insert({ title: 'x', stars: 9 })).error).toMatchObject({ code: '23514' })
    expect(await service().from('note_tags').insert({ note_id: 0, tag_id: 1 })).toMatchObject({ status: 409, error: { code: '23503' } })
  })

  test('names that do not exist', async () => {
    const { client } = ann
    expect(await client.from('nothing').select()).toMatchObject({
      status: 404,
      error: { code: 'PGRST205', message: "Could not find the table 'public.nothing' in the schema cache" },
    })
    expect(await client.from('notes').select('nothing')).toMatchObject({
      status: 400,
      error: { code: '42703', message: 'column notes.nothing does not exist' },
    })
    expect(await client.from('notes').select('secrets(*)')).toMatchObject({ status: 400, error: { code: 'PGRST200' } })
    expect(await client.from('notes').insert({ title: 'x', nothing: 1 })).toMatchObject({ status: 400, error: { code: 'PGRST204' } })
    expect(await client.rpc('nothing', { a: 1 })).toMatchObject({ status: 404, error: { code: 'PGRST202' } })
    expect(await client.schema('nowhere').from('notes').select()).toMatchObject({ status: 406, error: { code: 'PGRST106' } })
  })

  test('a value of the wrong type', async () => {
    expect(await ann.client.from('notes').select().eq('id', 'abc')).toMatchObject({ status: 400, error: { code: '22P02' } })
  })
})
