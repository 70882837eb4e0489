// Gives every file of tests a backend of its own, and puts it where the app looks for one.
import { afterAll, beforeAll } from 'vitest'

let held

beforeAll(async () => {
  const answer = await fetch(`${process.env.SUPARUST_CONTROL_URL}/branches`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${process.env.SUPARUST_CONTROL_TOKEN}` },
    body: JSON.stringify({ hold: true }) // it lives as long as this connection
  })
  held = answer.body.getReader()
  let line = ''
  while (!line.includes('\n')) {
    const { value, done } = await held.read()
    if (done) throw new Error(`no branch: ${answer.status} ${line}`)
    line += new TextDecoder().decode(value)
  }
  const branch = JSON.parse(line)
  if (!answer.ok) throw new Error(`no branch: ${branch.message}`)
  process.env.SUPABASE_URL = branch.url
  process.env.SUPABASE_ANON_KEY = branch.anon_key
  process.env.SUPABASE_SERVICE_ROLE_KEY = branch.service_role_key
})

afterAll(() => held?.cancel())
