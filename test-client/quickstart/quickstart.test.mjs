// What a server without a project offers: the view public.users, and buckets
// that every signed-in user may use.
import { expect, test } from 'vitest'
import { anonymous, newEmail, ok, password, service, serviceKey, signUp, url } from '../tests/clients.mjs'

const newBucket = async (options) => {
  const id = newEmail('bucket').replace('@', '-')
  ok(await service().storage.createBucket(id, options))
  return id
}

test('the server is ready', async () => {
  const res = await fetch(`${url}/auth/v1/health`)
  expect(res.status).toBe(200)
})

test('a bearer token alone is enough', async () => {
  const post = (path, body) =>
    fetch(url + path, {
      method: 'POST',
      headers: { Authorization: `Bearer ${serviceKey}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  const id = newEmail('bare').replace('@', '-')
  const bucket = await post('/storage/v1/bucket', { id, name: id, public: false })
  expect([bucket.status, await bucket.json()]).toEqual([200, { name: id }])
  const signup = await post('/auth/v1/signup', { email: newEmail(), password })
  expect(signup.status).toBe(200)
  expect((await signup.json()).access_token).toBeTruthy()
})

test('public.users shows users themselves, and all to the service', async () => {
  const [ann, bob] = [await signUp('ann'), await signUp('bob')]
  expect(ok(await ann.client.from('users').select())).toEqual([{ id: ann.user.id, email: ann.email }])
  expect(ok(await anonymous().from('users').select('id, email'))).toEqual([])
  const both = [ann.user.id, bob.user.id]
  expect(ok(await service().from('users').select('id').in('id', both)).map((u) => u.id).sort()).toEqual(both.sort())
  expect((await ann.client.from('users').delete().eq('id', ann.user.id)).error).toMatchObject({ code: '42501' })
})

test('a signed-in user may use any bucket, a visitor none', async () => {
  const [{ client }, id] = [await signUp(), await newBucket({ public: false })]
  expect(ok(await client.storage.listBuckets()).map((b) => b.id)).toContain(id)

  const files = client.storage.from(id)
  ok(await files.upload('a/b.txt', Buffer.from('one'), { contentType: 'text/plain' }))
  ok(await files.update('a/b.txt', Buffer.from('two'), { contentType: 'text/plain' }))
  expect(await ok(await files.download('a/b.txt')).text()).toBe('two')
  expect(ok(await files.list('a')).map((f) => f.name)).toEqual(['b.txt'])

  const visitor = anonymous().storage.from(id)
  expect((await visitor.upload('c.txt', Buffer.from('x'))).error).toMatchObject({ statusCode: '403' })
  expect((await visitor.download('a/b.txt')).error).toBeTruthy()
  expect(ok(await visitor.list('a'))).toEqual([])

  expect(ok(await files.remove(['a/b.txt']))).toHaveLength(1)
  ok(await service().storage.deleteBucket(id))
})

test('a public bucket is read by everybody', async () => {
  const [{ client }, id] = [await signUp(), await newBucket({ public: true })]
  ok(await client.storage.from(id).upload('open.txt', Buffer.from('open'), { contentType: 'text/plain' }))
  const { publicUrl } = client.storage.from(id).getPublicUrl('open.txt').data
  expect(await (await fetch(publicUrl)).text()).toBe('open')
})
