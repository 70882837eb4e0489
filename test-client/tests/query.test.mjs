// Every method of supabase-js's query builder: what its types declare has a
// test of its name here, and that test calls it.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createClient } from '@supabase/supabase-js'
import * as postgrest from '@supabase/postgrest-js'
import { randomUUID } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { anonKey, anonymous, ok, service, serviceKey, url } from './clients.mjs'

const client = anonymous()
const writer = service()

const kinds = (select = 'id', options) => client.from('kinds').select(select, options)
// ids are the kinds that a query finds.
const ids = async (query) => ok(await query.order('id')).map((r) => r.id)
const slugs = (n) => Array.from({ length: n }, () => `s-${randomUUID()}`)
const scratch = () => writer.from('scratch')
const stored = async (...slug) => ok(await scratch().select('slug, note, n').in('slug', slug).order('n').order('note'))
// through is a client whose requests pass first.
const through = (first) => createClient(url, anonKey, {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: WebSocket },
  global: { fetch: first },
})

const methods = {
  PostgrestClient: {
    from: async () => expect(await ids(client.from('kinds').select('id'))).toEqual([1, 2, 3, 4]),
    schema: async () => {
      const personal = writer.schema('personal')
      expect(ok(await personal.from('diary').select('page').eq('id', 1).single())).toEqual({ page: 'dear' })
      const { id } = ok(await personal.from('diary').insert({ page: 'new' }).select('id').single())
      expect((await personal.from('diary').update({ page: 'newer' }).eq('id', id)).status).toBe(204)
      expect(ok(await personal.from('diary').delete().eq('id', id).select('page'))).toEqual([{ page: 'newer' }])
      expect(ok(await personal.rpc('pages'))).toBe(1)
      expect((await client.schema('private').from('diary').select()).error).toMatchObject({
        code: 'PGRST106', message: 'Invalid schema: private', hint: 'Only the following schemas are exposed: public, graphql_public, personal',
      })
    },
    rpc: async () => {
      expect(ok(await client.rpc('add', { a: 1, b: 2 }))).toBe(3)
      expect(ok(await client.rpc('add_up', { list: [1, 2, 3] }))).toBe(6)
      expect(ok(await client.rpc('add_up', { list: [1, 2, 3] }, { get: true }))).toBe(6)
      expect(ok(await client.rpc('shape', { thing: { a: 1 } }))).toBe('object')
      expect(await client.rpc('kinds_from', { at_least: 20 }, { count: 'exact' })).toMatchObject({ count: 2, status: 200 })
      expect(await client.rpc('kinds_from', { at_least: 20 }, { head: true, count: 'exact' })).toMatchObject({ count: 2, data: null, status: 200 })
      expect(await client.rpc('kinds_from', {}, { get: true, count: 'exact' }).limit(1)).toMatchObject({ count: 3, status: 206 })
      // arguments that no query string can hold
      expect(await client.rpc('shape', { thing: { a: 1 } }, { head: true })).toMatchObject({ error: null })
      expect(await ids(client.rpc('kinds_from', { at_least: 10 }).select('id, teams(name)').eq('teams.name', 'red').neq('id', 3))).toEqual([1, 2])
      expect((await client.rpc('nope', { a: 1 })).error).toMatchObject({ code: 'PGRST202' })
    },
  },
  PostgrestQueryBuilder: {
    select: async () => {
      expect(ok(await client.from('teams').select().order('id'))).toEqual([{ id: 1, name: 'red' }, { id: 2, name: 'blue' }])
      expect(ok(await kinds('label:name, n::text, first:tags->0, data->deep->x->1, teams ( team:name )').eq('id', 1)))
        .toEqual([{ label: 'one cat', n: '10', first: 'a', x: 2, teams: { team: 'red' } }])
      expect(await kinds('id', { count: 'exact' })).toMatchObject({ count: 4, status: 200 })
      expect(await kinds('id', { count: 'planned' })).toMatchObject({ count: expect.any(Number) })
      expect(await kinds('id', { count: 'estimated', head: true })).toMatchObject({ count: 4, data: null })
      expect(await kinds('id', { count: 'exact', head: true }).eq('team_id', 1)).toMatchObject({ count: 2, data: null })
      expect((await client.from('nope').select()).error).toMatchObject({ code: 'PGRST205' })
    },
    insert: async () => {
      const [a, b, c] = slugs(3)
      expect(await scratch().insert({ slug: a })).toMatchObject({ status: 201, data: null, count: null })
      expect(await scratch().insert([{ slug: b, n: 1 }, { slug: c, note: 'x' }], { count: 'exact' })).toMatchObject({ status: 201, count: 2 })
      expect(await stored(a, b, c)).toEqual([
        { slug: b, note: null, n: 1 }, { slug: a, note: 'none', n: 5 }, { slug: c, note: 'x', n: null },
      ])
      const [d, e] = slugs(2)
      expect(ok(await scratch().insert([{ slug: d, n: 1 }, { slug: e, note: 'x' }], { defaultToNull: false }).select('note, n').order('n')))
        .toEqual([{ note: 'none', n: 1 }, { note: 'x', n: 5 }])
      expect((await scratch().insert({ slug: d })).error).toMatchObject({ code: '23505' })
      expect((await scratch().insert({ slog: d })).error).toMatchObject({ code: 'PGRST204' })
    },
    upsert: async () => {
      const [a, b] = slugs(2)
      expect(await scratch().upsert({ slug: a, n: 1 }, { onConflict: 'slug', count: 'exact' })).toMatchObject({ status: 201, count: 1 })
      expect(await scratch().upsert({ slug: a, n: 2 }, { onConflict: 'slug' }).select('n').single()).toMatchObject({ status: 200, data: { n: 2 } })
      expect(await scratch().upsert([{ slug: a, n: 3 }, { slug: b, n: 3 }], { onConflict: 'slug', ignoreDuplicates: true }).select('slug'))
        .toMatchObject({ status: 201, data: [{ slug: b }] })
      expect(ok(await scratch().upsert([{ slug: a, n: 7 }, { slug: b, note: 'y' }], { onConflict: 'slug', defaultToNull: false }).select('n, note').order('n')))
        .toEqual([{ n: 5, note: 'y' }, { n: 7, note: 'none' }])
      const { id } = ok(await scratch().select('id').eq('slug', a).single())
      expect(ok(await scratch().upsert({ id, slug: a, n: 9 }).select('n'))).toEqual([{ n: 9 }])
    },
    update: async () => {
      const [a, b] = slugs(2)
      ok(await scratch().insert([{ slug: a }, { slug: b }]))
      expect(await scratch().update({ n: 1 }, { count: 'exact' }).in('slug', [a, b])).toMatchObject({ status: 204, count: 2, data: null })
      expect(ok(await scratch().update({ note: 'new' }).eq('slug', a).select('note, n'))).toEqual([{ note: 'new', n: 1 }])
      expect((await scratch().update({ n: 0 })).error).toMatchObject({ code: '21000', message: 'UPDATE requires a WHERE clause' })
    },
    delete: async () => {
      const [a, b] = slugs(2)
      ok(await scratch().insert([{ slug: a }, { slug: b }]))
      expect(await scratch().delete({ count: 'exact' }).eq('slug', a)).toMatchObject({ status: 204, count: 1, data: null })
      expect(ok(await scratch().delete().eq('slug', b).select('slug'))).toEqual([{ slug: b }])
      expect((await scratch().delete()).error).toMatchObject({ code: '21000', message: 'DELETE requires a WHERE clause' })
    },
  },
  PostgrestFilterBuilder: {
    throwOnError: async () => {
      await expect(kinds('nope').throwOnError()).rejects.toMatchObject({ code: '42703', name: 'PostgrestError' })
      expect((await kinds().eq('id', 1).throwOnError()).data).toEqual([{ id: 1 }])
    },
    eq: async () => {
      expect(await ids(kinds().eq('name', 'four, (odd) "names"'))).toEqual([4])
      expect(await ids(kinds().eq('data->deep->x->>0', 1))).toEqual([1])
      expect(await ids(kinds('id, teams!inner(name)').eq('teams.name', 'blue'))).toEqual([3])
    },
    neq: async () => expect(await ids(kinds().neq('n', 10))).toEqual([2, 3]),
    gt: async () => expect(await ids(kinds().gt('n', 20))).toEqual([3]),
    gte: async () => expect(await ids(kinds().gte('n', 20))).toEqual([2, 3]),
    lt: async () => expect(await ids(kinds().lt('n', 20))).toEqual([1]),
    lte: async () => expect(await ids(kinds().lte('n', 20))).toEqual([1, 2]),
    like: async () => {
      expect(await ids(kinds().like('name', '%dogs'))).toEqual([])
      expect(await ids(kinds().like('name', '%cat_'))).toEqual([2])
    },
    likeAllOf: async () => expect(await ids(kinds().likeAllOf('name', ['%cat%', 't%']))).toEqual([2]),
    likeAnyOf: async () => expect(await ids(kinds().likeAnyOf('name', ['one%', '%DOGS']))).toEqual([1, 3]),
    ilike: async () => expect(await ids(kinds().ilike('name', '%dogs'))).toEqual([3]),
    ilikeAllOf: async () => expect(await ids(kinds().ilikeAllOf('name', ['%DOGS', 'THREE%']))).toEqual([3]),
    ilikeAnyOf: async () => expect(await ids(kinds().ilikeAnyOf('name', ['ONE%', '%dogs']))).toEqual([1, 3]),
    regexMatch: async () => expect(await ids(kinds().regexMatch('name', '^t.*[a-z]$'))).toEqual([2]),
    regexIMatch: async () => expect(await ids(kinds().regexIMatch('name', '^T.*s$'))).toEqual([2, 3]),
    is: async () => {
      expect(await ids(kinds().is('n', null))).toEqual([4])
      expect(await ids(kinds().is('active', true))).toEqual([1, 4])
      expect(await ids(kinds().is('active', false))).toEqual([2])
    },
    isDistinct: async () => expect(await ids(kinds().isDistinct('n', 10))).toEqual([2, 3, 4]),
    in: async () => {
      expect(await ids(kinds().in('n', [10, 30, 99]))).toEqual([1, 3])
      expect(await ids(kinds().in('name', ['one cat', 'a,b', '(c)']))).toEqual([1])
      expect(await ids(kinds().in('n', []))).toEqual([])
    },
    notIn: async () => expect(await ids(kinds().notIn('n', [10, 30]))).toEqual([2]),
    contains: async () => {
      expect(await ids(kinds().contains('tags', ['b']))).toEqual([1, 2])
      expect(await ids(kinds().contains('data', { k: 1 }))).toEqual([1, 3])
      expect(await ids(kinds().contains('span', '[6,8)'))).toEqual([2])
    },
    containedBy: async () => {
      expect(await ids(kinds().containedBy('tags', ['b', 'c']))).toEqual([2, 3, 4])
      expect(await ids(kinds().containedBy('data', { k: 2, z: 1 }))).toEqual([2])
      expect(await ids(kinds().containedBy('span', '[0,10)'))).toEqual([1, 2])
    },
    rangeGt: async () => expect(await ids(kinds().rangeGt('span', '[5,9)'))).toEqual([3, 4]),
    rangeGte: async () => expect(await ids(kinds().rangeGte('span', '[5,9)'))).toEqual([2, 3, 4]),
    rangeLt: async () => expect(await ids(kinds().rangeLt('span', '[9,20)'))).toEqual([1, 2]),
    rangeLte: async () => expect(await ids(kinds().rangeLte('span', '[5,9)'))).toEqual([1, 2]),
    rangeAdjacent: async () => expect(await ids(kinds().rangeAdjacent('span', '[5,9)'))).toEqual([1, 4]),
    overlaps: async () => {
      expect(await ids(kinds().overlaps('tags', ['a', 'c']))).toEqual([1, 4])
      expect(await ids(kinds().overlaps('span', '[8,10)'))).toEqual([2, 4])
    },
    textSearch: async () => {
      expect(await ids(kinds().textSearch('words', 'cat & two'))).toEqual([2])
      expect(await ids(kinds().textSearch('name', "'dogs'", { config: 'english' }))).toEqual([3])
      expect(await ids(kinds().textSearch('words', 'cats', { type: 'plain', config: 'english' }))).toEqual([1, 2])
      expect(await ids(kinds().textSearch('words', 'two cats', { type: 'phrase', config: 'english' }))).toEqual([2])
      expect(await ids(kinds().textSearch('words', '"three dogs" or cats -two', { type: 'websearch', config: 'english' }))).toEqual([1, 3])
    },
    match: async () => expect(await ids(kinds().match({ team_id: 1, active: true }))).toEqual([1]),
    not: async () => {
      expect(await ids(kinds().not('n', 'is', null))).toEqual([1, 2, 3])
      expect(await ids(kinds().not('name', 'like', '%cat%'))).toEqual([3, 4])
      expect(await ids(kinds().not('id', 'in', '(1,2)'))).toEqual([3, 4])
      expect(await ids(kinds().not('tags', 'cs', '{b}'))).toEqual([3, 4])
    },
    or: async () => {
      expect(await ids(kinds().or('n.gt.20,and(active.is.true,n.is.null)'))).toEqual([3, 4])
      expect(await ids(kinds().or('name.eq."four, (odd) \\"names\\"",id.in.(1,9),tags.cs.{zzz}'))).toEqual([1, 4])
      const teams = client.from('teams').select('id, kinds(id)').or('n.eq.10,n.eq.30', { referencedTable: 'kinds' }).order('id')
      expect(ok(await teams)).toEqual([{ id: 1, kinds: [{ id: 1 }] }, { id: 2, kinds: [{ id: 3 }] }])
    },
    filter: async () => {
      expect(await ids(kinds().filter('name', 'ilike', '*dogs'))).toEqual([3])
      expect(await ids(kinds().filter('n', 'not.is', null))).toEqual([1, 2, 3])
      expect(await ids(kinds().filter('id', 'in', '(2,3)'))).toEqual([2, 3])
    },
  },
  PostgrestTransformBuilder: {
    throwOnError: async () => {
      const query = kinds('id').limit(1)
      await expect(postgrest.PostgrestTransformBuilder.prototype.throwOnError.call(query.select('nope'))).rejects.toMatchObject({ code: '42703' })
    },
    select: async () => {
      const [a] = slugs(1)
      expect(ok(await scratch().insert({ slug: a }).select())).toMatchObject([{ slug: a, note: 'none', n: 5 }])
      expect(ok(await scratch().update({ n: 6 }).eq('slug', a).select('count:n, slug'))).toEqual([{ count: 6, slug: a }])
      expect(ok(await client.rpc('kinds_from', { at_least: 30 }).select('id'))).toEqual([{ id: 3 }])
    },
    order: async () => {
      const sorted = async (q) => ok(await q).map((r) => r.id)
      expect(await sorted(kinds().order('n'))).toEqual([1, 2, 3, 4])
      expect(await sorted(kinds().order('n', { ascending: false }))).toEqual([4, 3, 2, 1])
      expect(await sorted(kinds().order('n', { ascending: false, nullsFirst: false }))).toEqual([3, 2, 1, 4])
      expect(await sorted(kinds().order('n', { nullsFirst: true }))).toEqual([4, 1, 2, 3])
      expect(await sorted(kinds().order('active', { ascending: false, nullsFirst: false }).order('id', { ascending: false }))).toEqual([4, 1, 2, 3])
      expect(await sorted(kinds('id, teams(name)').order('teams(name)').order('id'))).toEqual([3, 1, 2, 4])
      const teams = client.from('teams').select('kinds(id)').order('id', { referencedTable: 'kinds', ascending: false }).eq('id', 1)
      expect(ok(await teams)).toEqual([{ kinds: [{ id: 2 }, { id: 1 }] }])
    },
    limit: async () => {
      expect(await ids(kinds().limit(2))).toEqual([1, 2])
      expect(await ids(kinds().limit(0))).toEqual([])
      const teams = client.from('teams').select('kinds(id)').order('id', { referencedTable: 'kinds' }).limit(1, { referencedTable: 'kinds' })
      expect(ok(await teams.order('id'))).toEqual([{ kinds: [{ id: 1 }] }, { kinds: [{ id: 3 }] }])
    },
    range: async () => {
      expect(await ids(kinds().range(1, 2))).toEqual([2, 3])
      expect((await kinds('id', { count: 'exact' }).range(9, 12)).error).toMatchObject({ code: 'PGRST103' })
      const team = client.from('teams').select('kinds(id)').order('id', { referencedTable: 'kinds' }).range(1, 1, { referencedTable: 'kinds' })
      expect(ok(await team.eq('id', 1).single())).toEqual({ kinds: [{ id: 2 }] })
    },
    abortSignal: async () => {
      const began = Date.now()
      const { error, data } = await client.rpc('slow').abortSignal(AbortSignal.timeout(50))
      expect(data).toBeNull()
      expect(error.message).toMatch(/Timeout|Abort/)
      expect(Date.now() - began).toBeLessThan(10_000)
      expect(await ids(kinds().abortSignal(new AbortController().signal).limit(1))).toEqual([1])
    },
    single: async () => {
      expect(ok(await kinds().eq('id', 1).single())).toEqual({ id: 1 })
      expect(await kinds().lt('id', 3).single()).toMatchObject({ status: 406, error: { code: 'PGRST116', details: 'The result contains 2 rows' } })
      expect(await kinds().eq('id', 99).single()).toMatchObject({ status: 406, error: { code: 'PGRST116', details: 'The result contains 0 rows' } })
    },
    maybeSingle: async () => {
      expect(ok(await kinds().eq('id', 1).maybeSingle())).toEqual({ id: 1 })
      expect(await kinds().eq('id', 99).maybeSingle()).toMatchObject({ status: 200, data: null, error: null })
      expect(await kinds().lt('id', 3).maybeSingle()).toMatchObject({ status: 406, error: { code: 'PGRST116' } })
      const [a] = slugs(1)
      expect(ok(await scratch().insert({ slug: a }).select('n').maybeSingle())).toEqual({ n: 5 })
    },
    csv: async () => {
      expect(ok(await kinds('id,name,n,tags').order('id').csv())).toBe(
        'id,name,n,tags\n1,"one cat",10,"{a,b}"\n2,"two cats",20,{b}\n3,"three DOGS",30,{}\n4,"four, (odd) ""names""",,{c}')
    },
    geojson: async () => {
      expect(ok(await client.from('places').select().geojson())).toEqual({
        type: 'FeatureCollection',
        features: [{ type: 'Feature', properties: { name: 'here' }, geometry: { type: 'Point', coordinates: [7.5, 47.5] } }],
      })
    },
    explain: async () => {
      expect(ok(await kinds().eq('id', 1).explain())).toMatch(/Aggregate .*cost=/)
      const [{ Plan: plan, Settings: settings }] = ok(await kinds().explain({ format: 'json', analyze: true, verbose: true, settings: true, buffers: true, wal: true }))
      expect(plan).toMatchObject({ 'Node Type': 'Aggregate', 'Actual Rows': 1, Output: expect.any(Array) })
      expect(settings).toMatchObject({ search_path: expect.stringContaining('public') })
      expect(plan).toHaveProperty('Shared Hit Blocks')
    },
    rollback: async () => {
      const [a] = slugs(1)
      expect(ok(await scratch().insert({ slug: a }).select('slug').rollback())).toEqual([{ slug: a }])
      expect(await stored(a)).toEqual([])
      expect((await scratch().insert({ slug: null }).rollback()).error).toMatchObject({ code: '23502' })
    },
    returns: async () => expect(ok(await kinds().eq('id', 1).returns())).toEqual([{ id: 1 }]),
    maxAffected: async () => {
      const all = slugs(3)
      const some = `${all[0].slice(0, 4)}%`
      ok(await scratch().insert(all.map((slug) => ({ slug }))))
      expect(await scratch().update({ n: 0 }).in('slug', all).maxAffected(2)).toMatchObject({ status: 400, error: { code: 'PGRST124', details: 'The query affects 3 rows' } })
      expect(await stored(...all)).toMatchObject([{ n: 5 }, { n: 5 }, { n: 5 }])
      expect((await scratch().update({ n: 0 }).in('slug', all).maxAffected(3)).status).toBe(204)
      expect((await scratch().delete().in('slug', all).maxAffected(1)).error).toMatchObject({ code: 'PGRST124' })
      expect((await writer.rpc('drop_scratch', { like_slug: some }).maxAffected(0)).error).toMatchObject({ code: 'PGRST124' })
      expect(await stored(...all)).toHaveLength(3)
    },
  },
  PostgrestBuilder: {
    throwOnError: async () => {
      await expect(kinds().eq('id', 99).single().throwOnError()).rejects.toMatchObject({ code: 'PGRST116', details: 'The result contains 0 rows' })
    },
    stripNulls: async () => {
      expect(ok(await kinds('id, n, data').eq('id', 4).stripNulls())).toEqual([{ id: 4 }])
      expect(ok(await kinds('id, n, data').eq('id', 4).single().stripNulls())).toEqual({ id: 4 })
    },
    setHeader: async () => {
      const { status, data } = await kinds().order('id').setHeader('Range', '1-2')
      expect([status, data]).toEqual([200, [{ id: 2 }, { id: 3 }]])
    },
    retry: async () => {
      let calls = 0
      const flaky = through(async (input, init) => {
        calls++
        return calls % 2 ? new Response('{}', { status: 503, headers: { 'Retry-After': '0' } }) : fetch(input, init)
      })
      expect(ok(await flaky.from('kinds').select('id').eq('id', 1).retry(true))).toEqual([{ id: 1 }])
      expect(calls).toBe(2)
      expect((await flaky.from('kinds').select('id').retry(false)).status).toBe(503)
      expect(calls).toBe(3)
    },
    then: async () => {
      const seen = []
      await kinds().eq('id', 1).then(({ data }) => seen.push(data))
      await kinds('nope').then(({ error }) => seen.push(error.code))
      expect(seen).toEqual([[{ id: 1 }], '42703'])
    },
    returns: async () => {
      const one = kinds().eq('id', 1).single()
      expect(ok(await postgrest.PostgrestBuilder.prototype.returns.call(one))).toEqual({ id: 1 })
    },
    overrideTypes: async () => {
      expect(ok(await kinds().eq('id', 1).overrideTypes())).toEqual([{ id: 1 }])
      expect(ok(await kinds().eq('id', 1).maybeSingle().overrideTypes())).toEqual({ id: 1 })
    },
  },
}

// declared lists the public methods of the classes as the types say them.
function declared() {
  const types = readFileSync(fileURLToPath(import.meta.resolve('@supabase/postgrest-js')).replace(/\.mjs$/, '.d.mts'), 'utf8')
  const found = {}
  let owner
  for (const line of types.split('\n')) {
    owner = line.match(/^declare (?:abstract )?class (Postgrest\w*(?:Builder|Client))\b/)?.[1] ?? (line === '}' ? undefined : owner)
    const method = owner && line.match(/^ {2}(\w+)[<(]/)?.[1]
    if (method && method !== 'constructor') {
      (found[owner] ??= new Set()).add(method)
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, set]) => [name, [...set].sort()]))
}

test('every method that the types declare has a test', () => {
  expect(Object.fromEntries(Object.entries(methods).map(([name, list]) => [name, Object.keys(list).sort()]))).toEqual(declared())
})

const cases = Object.entries(methods).flatMap(([name, list]) => Object.entries(list).map(([method, run]) => [name, method, run]))

// covers:rest 5 9 26 33 37 39 41 42 43 44 45 47 50 63 69 77 86 106 110 111 128 129 130 139 142
// covers:rest 149 150 152 153 154 155 164 173 179 181 182 183 186 187 193 194 201
test.each(cases)('%s.%s works as its types say', async (name, method, run) => {
  const call = vi.spyOn(postgrest[name].prototype, method)
  try {
    await run()
    expect(call, `${name}.${method} is called`).toHaveBeenCalled()
  } finally {
    call.mockRestore()
  }
})
