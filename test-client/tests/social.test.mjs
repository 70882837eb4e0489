import { createHash, randomUUID } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'
import { describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { anonKey, anonymous, newEmail, ok, signUp, url } from './clients.mjs'

const site = 'http://127.0.0.1:3000'

const pkce = () =>
  createClient(url, anonKey, {
    auth: { flowType: 'pkce', persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    realtime: { transport: WebSocket },
  })

// walk follows redirects as a browser does, until they leave the server.
async function walk(address) {
  for (let i = 0; i < 5 && !address.startsWith(site); i++) {
    const answer = await fetch(address, { redirect: 'manual' })
    expect(answer.status).toBe(302)
    address = answer.headers.get('location')
  }
  return new URL(address)
}

// fake speaks with the server's stand-in for a provider.
async function fake(provider, what, body) {
  const answer = await fetch(`${url}/_suparust/oauth/${provider}/${what}`, { method: 'POST', body: JSON.stringify(body) })
  expect(answer.ok).toBe(true)
  return answer.status === 204 ? null : answer.json()
}

// way is where signInWithOAuth would send the browser.
async function way(client, provider, options = {}) {
  const { data, error } = await client.auth.signInWithOAuth({ provider, options: { skipBrowserRedirect: true, ...options } })
  expect(error).toBeNull()
  expect(data).toMatchObject({ provider })
  return data.url
}

describe('signInWithOAuth', () => {
  test('the session comes in the fragment', async () => {
    const email = newEmail('ann')
    const client = anonymous()
    const end = await walk(await way(client, 'github', { redirectTo: `${site}/welcome`, scopes: 'repo', queryParams: { login_hint: email } }))
    expect(end.origin + end.pathname).toBe(`${site}/welcome`)
    const fragment = new URLSearchParams(end.hash.slice(1))
    expect(Object.fromEntries(fragment)).toMatchObject({ token_type: 'bearer', expires_in: '3600', provider_token: expect.stringMatching(/^fake-access-/) })

    const { user } = ok(
      await client.auth.setSession({ access_token: fragment.get('access_token'), refresh_token: fragment.get('refresh_token') }),
    )
    expect(user).toMatchObject({
      email,
      app_metadata: { provider: 'github', providers: ['github'] },
      user_metadata: { iss: 'https://api.github.com', email, email_verified: true, user_name: email.split('@')[0] },
      identities: [{ provider: 'github', email }],
    })
    ok(await client.auth.refreshSession())
  })

  test('PKCE: a code is exchanged for the session', async () => {
    const email = newEmail('bea')
    const client = pkce()
    const end = await walk(await way(client, 'google', { redirectTo: `${site}/callback?next=%2Fhome`, queryParams: { login_hint: email } }))
    expect(end.searchParams.get('next')).toBe('/home')
    const data = ok(await client.auth.exchangeCodeForSession(end.searchParams.get('code')))
    expect(data.session).toMatchObject({
      provider_token: expect.stringMatching(/^fake-access-/),
      provider_refresh_token: expect.stringMatching(/^fake-refresh-/),
      user: { email, app_metadata: { provider: 'google' } },
    })
    expect(ok(await client.auth.getUser()).user.email).toBe(email)

    const again = await client.auth.exchangeCodeForSession(end.searchParams.get('code'))
    expect(again.error).not.toBeNull()
  })

  test('a user who refuses', async () => {
    await fake('slack_oidc', 'next', { error: 'access_denied', error_description: 'No, thanks' })
    const end = await walk(await way(anonymous(), 'slack_oidc'))
    expect(end.searchParams.get('error')).toBe('access_denied')
    expect(end.searchParams.get('error_description')).toBe('No, thanks')
    expect(end.hash).toBe('#error=access_denied&error_description=No%2C+thanks&sb='.replace('%2C', '%252C'))
  })

  test('a provider that is off', async () => {
    const answer = await fetch(await way(anonymous(), 'zoom'))
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error_code: 'validation_failed', msg: 'Unsupported provider: provider is not enabled' })
  })

  test('the settings tell which are on', async () => {
    const settings = await (await fetch(`${url}/auth/v1/settings`, { headers: { apikey: anonKey } })).json()
    expect(settings.external).toMatchObject({ google: true, github: true, zoom: false })
  })

  test('a verified address enters the account that is there', async () => {
    const { user, email } = await signUp('cleo')
    const end = await walk(await way(anonymous(), 'google', { queryParams: { login_hint: email } }))
    const token = new URLSearchParams(end.hash.slice(1)).get('access_token')
    const same = ok(await anonymous().auth.getUser(token)).user
    expect(same.id).toBe(user.id)
    expect(same.app_metadata).toEqual({ provider: 'email', providers: ['email', 'google'] })
  })
})

describe('signInWithIdToken', () => {
  test('with a nonce and an access token', async () => {
    const email = newEmail('dan')
    const nonce = randomUUID()
    const { id_token: token, access_token } = await fake('google', 'id_token', {
      email,
      nonce: createHash('sha256').update(nonce).digest('hex'),
    })
    const client = anonymous()
    const { user, session } = ok(await client.auth.signInWithIdToken({ provider: 'google', token, access_token, nonce }))
    expect(user).toMatchObject({ email, app_metadata: { provider: 'google' } })
    expect(session.access_token).toBeTruthy()

    const wrong = await anonymous().auth.signInWithIdToken({ provider: 'google', token, nonce: 'another' })
    expect(wrong.error).toMatchObject({ status: 400, message: 'Nonces mismatch' })
  })

  test('a token of nobody', async () => {
    const { error } = await anonymous().auth.signInWithIdToken({ provider: 'google', token: 'a.b.c' })
    expect(error).toMatchObject({ status: 400, message: 'Bad ID token' })
    const off = await anonymous().auth.signInWithIdToken({ provider: 'apple', token: 'a.e30.c' })
    expect(off.error).toMatchObject({ status: 400, code: 'validation_failed' })
  })
})

describe('identities', () => {
  test('linkIdentity and unlinkIdentity', async () => {
    const { client, user, email } = await signUp('eve')
    const other = newEmail('other')
    const { data, error } = await client.auth.linkIdentity({
      provider: 'github',
      options: { skipBrowserRedirect: true, queryParams: { login_hint: other } },
    })
    expect(error).toBeNull()
    const end = await walk(data.url)
    expect(end.hash).toContain('access_token=')

    const { identities } = ok(await client.auth.getUserIdentities())
    expect(identities.map((i) => i.provider).sort()).toEqual(['email', 'github'])
    const github = identities.find((i) => i.provider === 'github')
    expect(github.identity_data).toMatchObject({ email: other })

    ok(await client.auth.unlinkIdentity(github))
    const after = ok(await client.auth.getUser()).user
    expect(after).toMatchObject({ id: user.id, email, app_metadata: { provider: 'email', providers: ['email'] } })
    const last = await client.auth.unlinkIdentity(after.identities[0])
    expect(last.error).toMatchObject({ status: 422, code: 'single_identity_not_deletable' })
  })

  test('linkIdentity with an ID token', async () => {
    const client = anonymous()
    const before = ok(await client.auth.signInAnonymously()).user
    const email = newEmail('fay')
    const { id_token: token } = await fake('google', 'id_token', { email })
    const { user } = ok(await client.auth.linkIdentity({ provider: 'google', token }))
    expect(user).toMatchObject({ id: before.id, email, is_anonymous: false })
    const again = await client.auth.linkIdentity({ provider: 'google', token })
    expect(again.error).toMatchObject({ status: 422, code: 'identity_already_exists' })
  })
})
