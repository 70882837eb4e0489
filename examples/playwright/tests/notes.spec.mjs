import { expect, test } from '../backend.mjs'

for (const name of ['one', 'two', 'three']) {
  test(`${name}: a note is its owner’s alone`, async ({ backend, request }) => {
    const headers = { apikey: backend.anon_key }
    const signUp = async (email) => {
      const answer = await request.post(`${backend.url}/auth/v1/signup`, { headers, data: { email, password: 'a good password' } })
      expect(answer.status()).toBe(200)
      return { ...headers, Authorization: `Bearer ${(await answer.json()).access_token}` }
    }
    const ann = await signUp('ann@example.com') // the same address in each: nobody meets anybody
    const bob = await signUp('bob@example.com')
    const notes = `${backend.url}/rest/v1/notes`
    expect((await request.post(notes, { headers: ann, data: { body: name } })).status()).toBe(201)
    expect(await (await request.get(`${notes}?select=body`, { headers: ann })).json()).toEqual([{ body: name }])
    expect(await (await request.get(`${notes}?select=body`, { headers: bob })).json()).toEqual([])
  })
}
