import { createClient } from '@supabase/supabase-js'
import { expect, test } from 'vitest'
import WebSocket from 'ws' // for Node 20, which has none

const signedIn = async (email) => {
  const client = createClient(process.env.SUPABASE_URL, process.env.SUPABASE_ANON_KEY, { realtime: { transport: WebSocket } })
  const { error } = await client.auth.signUp({ email, password: 'a good password' })
  expect(error).toBeNull()
  return client
}

// tests/first.test.mjs and tests/second.test.mjs say the same: each finds an empty project
test('a note is its owner’s alone', async () => {
  const ann = await signedIn('ann@example.com')
  const bob = await signedIn('bob@example.com')
  expect((await ann.from('notes').insert({ body: 'mine' })).error).toBeNull()
  expect((await ann.from('notes').select('id, body')).data).toEqual([{ id: 1, body: 'mine' }])
  expect((await bob.from('notes').select('body')).data).toEqual([])
})
