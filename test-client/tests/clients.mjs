// What every test file starts from: clients of the server that the environment
// names, and users of its own. The files share one server and run side by side,
// so each works with users and rows that nobody else knows of.
import { randomUUID } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'
import { expect } from 'vitest'
import WebSocket from 'ws'

function need(name) {
  const value = process.env[name]
  if (!value) {
    throw new Error(`${name} is not set: run these tests with "npm test", "npm run test:compat" or "go test ./test-client"`)
  }
  return value
}

export const url = need('SUPABASE_URL')
export const anonKey = process.env.SUPARUST_TEST_KEY ?? need('SUPABASE_ANON_KEY')
export const serviceKey = process.env.SUPARUST_TEST_ADMIN_KEY ?? need('SUPABASE_SERVICE_ROLE_KEY')

// No session is kept anywhere but in the client itself.
const auth = { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false }
// Node.js 20 has no WebSocket of its own, and supabase-js asks for one.
const realtime = { transport: WebSocket }

export const password = 'correct horse battery'

export const connect = (key, headers = {}) => createClient(url, key, { auth, realtime, global: { headers } })
export const anonymous = () => connect(anonKey)
export const service = () => connect(serviceKey)
export const newEmail = (name = 'user') => `${name}-${randomUUID()}@example.com`

// signUp makes a user and returns the client that is signed in as it.
export async function signUp(name = 'user') {
  const client = anonymous()
  const email = newEmail(name)
  const user = ok(await client.auth.signUp({ email, password, options: { data: { name } } })).user
  return { client, user, email }
}

// ok returns the data of an answer that must not be an error.
export function ok({ data, error }) {
  expect(error).toBeNull()
  return data
}
