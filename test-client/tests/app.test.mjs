// One user's whole way through an app, with every API on it.
import { expect, test } from 'vitest'
import { anonymous, newEmail, ok, password } from './clients.mjs'

test('sign up, write, store a file, read it back, sign out', async () => {
  const client = anonymous()
  const { user } = ok(await client.auth.signUp({ email: newEmail('walk'), password }))

  const note = ok(await client.from('notes').insert({ title: 'a day out' }).select().single())
  expect(note.owner).toBe(user.id)

  const photo = `${user.id}/day.jpg`
  ok(await client.storage.from('avatars').upload(photo, Buffer.from('pixels'), { contentType: 'image/jpeg' }))
  ok(await client.from('notes').update({ data: { photo } }).eq('id', note.id))

  const read = ok(await client.from('notes').select('title, photo:data->>photo, profiles(name)').eq('id', note.id).single())
  expect(read).toEqual({ title: 'a day out', photo, profiles: { name: user.email.split('@')[0] } })
  const res = await fetch(client.storage.from('avatars').getPublicUrl(read.photo).data.publicUrl)
  expect([res.headers.get('content-type'), await res.text()]).toEqual(['image/jpeg', 'pixels'])

  expect((await client.auth.signOut()).error).toBeNull()
  expect(ok(await client.from('notes').select().eq('id', note.id))).toEqual([])
  expect((await client.from('notes').insert({ title: 'too late', owner: user.id })).error).toMatchObject({ code: '42501' })
})
