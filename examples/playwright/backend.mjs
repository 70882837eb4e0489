// A fixture that gives every worker a backend of its own. An app under test is started with backend.url and
// backend.anon_key, by a worker fixture that depends on this one.
import { test as base } from '@playwright/test'

const ask = async (method, url, token, body) => {
  const answer = await fetch(url, { method, headers: { Authorization: `Bearer ${token}` }, body: body && JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${method} ${url}: ${await answer.text()}`)
  return answer
}
const branches = `${process.env.SUPARUST_CONTROL_URL}/branches`
const token = process.env.SUPARUST_CONTROL_TOKEN

export const test = base.extend({
  backend: [async ({}, use) => {
    const branch = await (await ask('POST', branches, token, { lease: '30m' })).json()
    await use(branch)
    await ask('DELETE', `${branches}/${branch.id}`, token)
  }, { scope: 'worker' }],

  // what a test leaves behind is gone for the next one of the worker
  clean: [async ({ backend }, use) => {
    await use()
    await ask('POST', `${backend.control_url}/reset`, backend.control_token)
  }, { auto: true }]
})

export { expect } from '@playwright/test'
