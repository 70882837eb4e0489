import { describe, expect, test } from 'vitest'
import { anonKey, anonymous, connect, newEmail, ok, password, service, signUp } from './clients.mjs'

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())

describe('sign up and sign in', () => {
  // covers:auth 60
  test('a sign-up is signed in at once', async () => {
    const { client, user, email } = await signUp('ann')
    expect(user).toMatchObject({
      email,
      aud: 'authenticated',
      role: 'authenticated',
      is_anonymous: false,
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: { name: 'ann', email },
    })
    expect(user.identities).toHaveLength(1)

    const { session } = ok(await client.auth.getSession())
    expect(session).toMatchObject({ token_type: 'bearer', expires_in: 3600, user: { id: user.id } })
    expect(claimsOf(session.access_token)).toMatchObject({
      sub: user.id,
      role: 'authenticated',
      aud: 'authenticated',
      aal: 'aal1',
      is_anonymous: false,
      amr: [{ method: 'password' }],
    })
  })

  // covers:auth 64
  test('an address can be taken once', async () => {
    const { email } = await signUp()
    const { data, error } = await anonymous().auth.signUp({ email, password })
    expect(data.user).toBeNull()
    expect(error).toMatchObject({ status: 422, code: 'user_already_exists', message: 'User already registered' })
  })

  test('a weak password is refused with its reasons', async () => {
    const { error } = await anonymous().auth.signUp({ email: newEmail(), password: '123' })
    expect(error).toMatchObject({ name: 'AuthWeakPasswordError', status: 422, code: 'weak_password', reasons: ['length'] })
  })

  test('a malformed address is refused', async () => {
    const { error } = await anonymous().auth.signUp({ email: 'nobody', password })
    expect(error).toMatchObject({ status: 400, code: 'validation_failed' })
  })

  // covers:auth 74 75
  test('the password signs in, another does not', async () => {
    const { email, user } = await signUp()
    const client = anonymous()
    expect(ok(await client.auth.signInWithPassword({ email, password })).user.id).toBe(user.id)

    for (const wrong of [{ email, password: 'not this' }, { email: newEmail(), password }]) {
      const { data, error } = await anonymous().auth.signInWithPassword(wrong)
      expect(data).toEqual({ user: null, session: null })
      expect(error).toMatchObject({
        name: 'AuthApiError',
        status: 400,
        code: 'invalid_credentials',
        message: 'Invalid login credentials',
      })
    }
  })

  // covers:auth 62
  test('a guest signs in without an address', async () => {
    const client = anonymous()
    const { user, session } = ok(await client.auth.signInAnonymously())
    expect(user.is_anonymous).toBe(true)
    expect(claimsOf(session.access_token).is_anonymous).toBe(true)
  })
})

describe('a session', () => {
  // covers:auth 101
  test('getUser tells whose it is', async () => {
    const { client, user, email } = await signUp()
    expect(ok(await client.auth.getUser()).user).toMatchObject({ id: user.id, email })
  })

  test('getUser refuses a token of another making', async () => {
    const { error } = await anonymous().auth.getUser('no.such.token')
    expect(error).toMatchObject({ status: 403, code: 'bad_jwt' })
  })

  test('getClaims reads the verified token', async () => {
    const { client, user } = await signUp()
    expect(ok(await client.auth.getClaims()).claims.sub).toBe(user.id)
  })

  // covers:auth 41
  test('refreshSession gives new tokens to the same session', async () => {
    const { client, user } = await signUp()
    const before = ok(await client.auth.getSession()).session
    const after = ok(await client.auth.refreshSession()).session
    expect(after.user.id).toBe(user.id)
    expect(after.refresh_token).not.toBe(before.refresh_token)
    expect(claimsOf(after.access_token).session_id).toBe(claimsOf(before.access_token).session_id)
    expect(ok(await client.auth.getUser()).user.id).toBe(user.id)
  })

  // covers:auth 45
  test('an unknown refresh token is refused', async () => {
    const { error } = await anonymous().auth.refreshSession({ refresh_token: 'aaaaaaaaaaaa' })
    expect(error).toMatchObject({ status: 400, code: 'refresh_token_not_found' })
  })

  test('setSession takes over a session of another client', async () => {
    const { client, user } = await signUp()
    const { access_token, refresh_token } = ok(await client.auth.getSession()).session
    const other = anonymous()
    ok(await other.auth.setSession({ access_token, refresh_token }))
    expect(ok(await other.auth.getUser()).user.id).toBe(user.id)
  })

  // covers:auth 100
  test('signOut ends it on the server too', async () => {
    const { client } = await signUp()
    const { access_token, refresh_token } = ok(await client.auth.getSession()).session
    expect((await client.auth.signOut()).error).toBeNull()
    expect(ok(await client.auth.getSession()).session).toBeNull()

    expect((await anonymous().auth.refreshSession({ refresh_token })).error).toMatchObject({ status: 400 })
    // auth-js's own name for the server's session_not_found
    expect((await anonymous().auth.getUser(access_token)).error).toMatchObject({ name: 'AuthSessionMissingError' })
  })

  // covers:auth 100
  test('signing out the others leaves this one', async () => {
    const { client, email } = await signUp()
    const other = anonymous()
    ok(await other.auth.signInWithPassword({ email, password }))
    expect((await client.auth.signOut({ scope: 'others' })).error).toBeNull()
    expect((await other.auth.refreshSession()).error).toMatchObject({ status: 400 })
    ok(await client.auth.refreshSession())
  })
})

describe('updateUser', () => {
  test('merges metadata', async () => {
    const { client } = await signUp('ann')
    const { user } = ok(await client.auth.updateUser({ data: { colour: 'green' } }))
    expect(user.user_metadata).toMatchObject({ name: 'ann', colour: 'green' })
  })

  test('changes the password', async () => {
    const { client, email } = await signUp()
    ok(await client.auth.updateUser({ password: 'another long one' }))
    expect((await anonymous().auth.signInWithPassword({ email, password })).error).toMatchObject({ code: 'invalid_credentials' })
    ok(await anonymous().auth.signInWithPassword({ email, password: 'another long one' }))
  })

  // covers:auth 104
  test('refuses the password there is', async () => {
    const { client } = await signUp()
    expect((await client.auth.updateUser({ password })).error).toMatchObject({ status: 422, code: 'same_password' })
  })
})

describe('admin', () => {
  // covers:auth 132
  test('creates, reads, lists, changes and deletes users', async () => {
    const { admin } = service().auth
    const email = newEmail('made')
    const { user } = ok(await admin.createUser({ email, password, email_confirm: true, app_metadata: { plan: 'pro' } }))
    expect(user).toMatchObject({ email, app_metadata: { plan: 'pro', provider: 'email' } })
    expect(user.email_confirmed_at).toBeTruthy()

    expect(ok(await admin.getUserById(user.id)).user.email).toBe(email)
    const page = ok(await admin.listUsers({ page: 1, perPage: 1000 }))
    expect(page.users.map((u) => u.id)).toContain(user.id)
    expect(page.total).toBeGreaterThanOrEqual(page.users.length)

    const changed = ok(await admin.updateUserById(user.id, { app_metadata: { plan: 'free' }, user_metadata: { name: 'made' } })).user
    expect(changed).toMatchObject({ app_metadata: { plan: 'free', provider: 'email' }, user_metadata: { name: 'made' } })
    ok(await anonymous().auth.signInWithPassword({ email, password }))

    ok(await admin.deleteUser(user.id))
    expect((await admin.getUserById(user.id)).error).toMatchObject({ status: 404, code: 'user_not_found' })
    expect((await anonymous().auth.signInWithPassword({ email, password })).error).toMatchObject({ code: 'invalid_credentials' })
  })

  // covers:auth 135
  test('refuses an address that is taken', async () => {
    const { email } = await signUp()
    const { error } = await service().auth.admin.createUser({ email, password })
    expect(error).toMatchObject({ status: 422, code: 'email_exists' })
  })

  // covers:auth 142
  test('makes a link that signs in', async () => {
    const { email, user } = await signUp()
    const { properties } = ok(await service().auth.admin.generateLink({ type: 'magiclink', email }))
    const client = anonymous()
    ok(await client.auth.verifyOtp({ type: 'magiclink', token_hash: properties.hashed_token }))
    expect(ok(await client.auth.getUser()).user.id).toBe(user.id)
    const again = await anonymous().auth.verifyOtp({ type: 'magiclink', token_hash: properties.hashed_token })
    expect(again.error).toMatchObject({ status: 403, code: 'otp_expired' })
  })

  // covers:auth 23
  test('is closed to visitors and to users', async () => {
    expect((await anonymous().auth.admin.listUsers()).error).toMatchObject({ status: 403, code: 'not_admin' })
    const { client } = await signUp()
    const { access_token } = ok(await client.auth.getSession()).session
    const user = connect(anonKey, { Authorization: `Bearer ${access_token}` })
    expect((await user.auth.admin.listUsers()).error).toMatchObject({ status: 403, code: 'not_admin' })
  })
})
