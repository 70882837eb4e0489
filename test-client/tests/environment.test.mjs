// The names that apps find their project by, and both forms of the API keys.
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
import { connect, ok, signUp, url } from './clients.mjs'

const env = process.env

test.each(['NEXT_PUBLIC_', 'VITE_', 'PUBLIC_', 'EXPO_PUBLIC_', 'NUXT_PUBLIC_'])('%s names the same project', async (prefix) => {
  expect(env[`${prefix}SUPABASE_URL`]).toBe(url)
  for (const name of ['ANON_KEY', 'PUBLISHABLE_KEY']) {
    ok(await connect(env[`${prefix}SUPABASE_${name}`]).from('tags').select())
  }
})

test('Vite hands its names to the code', () => {
  expect(import.meta.env.VITE_SUPABASE_URL).toBe(url)
})

// Each style is a profile with a file, names and ports of its own.
test.skipIf(env.SUPARUST_TEST_RUNNING)('the server is that of the mode', async () => {
  const file = parseEnv(readFileSync(`.env.${import.meta.env.MODE}`, 'utf8'))
  const [own, shared] = [file.SUPARUST_PORT, file.PORT]
  expect([Boolean(own), Boolean(shared)]).toEqual(import.meta.env.MODE === 'test' ? [true, false] : [false, true])
  expect(url).toBe(`http://127.0.0.1:${own ?? shared}`)
  expect(env.SUPABASE_JWT_SECRET).toBe(file.SUPARUST_JWT_SECRET ?? file.JWT_SECRET)
})

test.each([
  ['the anon JWT', 'SUPABASE_ANON_KEY', 'anon', []],
  ['the publishable key', 'SUPABASE_PUBLISHABLE_KEY', 'anon', []],
  ['the service JWT', 'SUPABASE_SERVICE_ROLE_KEY', 'service_role', ['sesame']],
  ['the secret key', 'SUPABASE_SECRET_KEY', 'service_role', ['sesame']],
])('%s in every API', async (_, name, role, words) => {
  const client = connect(env[name])
  expect(ok(await client.rpc('whoami'))).toMatchObject({ role })
  expect(ok(await client.from('secrets').select('word')).map((r) => r.word)).toEqual(words)
  const buckets = ok(await client.storage.listBuckets()).map((b) => b.id)
  const users = await client.auth.admin.listUsers()
  if (role === 'anon') {
    expect(buckets).toEqual([])
    expect(users.error).toMatchObject({ status: 403, code: 'not_admin' })
  } else {
    expect(buckets).toEqual(expect.arrayContaining(['avatars', 'papers', 'small']))
    expect(users.error).toBeNull()
  }
})

test("a user's token counts, not the opaque key beside it", async () => {
  const { client, user } = await signUp()
  const { access_token } = ok(await client.auth.getSession()).session
  const mixed = connect(env.SUPABASE_SECRET_KEY, { Authorization: `Bearer ${access_token}` })
  expect(ok(await mixed.rpc('whoami'))).toMatchObject({ role: 'authenticated', uid: user.id })
  expect(ok(await mixed.from('secrets').select())).toEqual([])
})

test('an unknown opaque key opens nothing', async () => {
  for (const key of ['sb_secret_0000000000000000000000_00000000', 'sb_publishable_0']) {
    const client = connect(key)
    expect(ok(await client.rpc('whoami')), key).toMatchObject({ role: 'anon', uid: null })
    expect(ok(await client.from('secrets').select()), key).toEqual([])
    expect((await client.auth.admin.listUsers()).error, key).toBeTruthy()
    expect((await client.storage.createBucket('mine')).error, key).toBeTruthy()
  }
})

test('a JWT of another making is refused', async () => {
  const [header, claims] = env.SUPABASE_SERVICE_ROLE_KEY.split('.')
  const forged = connect(`${header}.${claims}.${'A'.repeat(43)}`)
  expect(await forged.from('secrets').select()).toMatchObject({ status: 401, error: { code: 'PGRST301' } })
  expect((await forged.storage.listBuckets()).error).toMatchObject({ status: 400, statusCode: '403' })
  expect((await forged.auth.admin.listUsers()).error).toMatchObject({ status: 403, code: 'bad_jwt' })
})
