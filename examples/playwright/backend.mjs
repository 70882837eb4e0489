// A fixture that gives every worker a backend of its own. An app under test is started with backend.url and
// backend.anon_key, by a worker fixture that depends on this one.
import { test as base } from '@playwright/test'

const control = (path, init) => fetch(process.env.SUPARUST_CONTROL_URL + path, {
  ...init, headers: { Authorization: `Bearer ${process.env.SUPARUST_CONTROL_TOKEN}` }
})

export const test = base.extend({
  backend: [async ({}, use) => {
    const answer = await control('/branches', { method: 'POST', body: JSON.stringify({ lease: '30m' }) })
    if (!answer.ok) throw new Error(`no branch: ${await answer.text()}`)
    const branch = await answer.json()
    await use(branch)
    await control(`/branches/${branch.id}`, { method: 'DELETE' })
  }, { scope: 'worker' }],

  // what a test leaves behind is gone for the next one of the worker
  clean: [async ({ backend }, use) => {
    await use()
    await fetch(`${backend.control_url}/reset`, { method: 'POST', headers: { Authorization: `Bearer ${backend.control_token}` } })
  }, { auto: true }]
})

export { expect } from '@playwright/test'
