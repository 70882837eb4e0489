import { describe, expect, test } from 'vitest'
import { anonymous, newEmail, ok, password, service, signUp } from './clients.mjs'

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
const newPhone = () => '1555' + String(Math.floor(Math.random() * 1e9)).padStart(9, '0')

// textedTo is the code that the project's hook was last given for a number.
async function textedTo(phone) {
  const rows = ok(await service().from('sent_texts').select('code').eq('phone', phone).order('id', { ascending: false }).limit(1))
  return rows[0].code
}

describe('hooks', () => {
  test('tokens, and what comes of a refresh, carry the claim of the hook', async () => {
    const { client } = await signUp('plan')
    const { session } = ok(await client.auth.getSession())
    expect(claimsOf(session.access_token)).toMatchObject({ plan: 'free' })
    expect(ok(await client.rpc('my_plan'))).toBe('free')
    const refreshed = ok(await client.auth.refreshSession())
    expect(claimsOf(refreshed.session.access_token)).toMatchObject({ plan: 'free' })
  })

  test('a user whom the hook refuses is not signed up', async () => {
    const { data, error } = await anonymous().auth.signUp({ email: newEmail('refused'), password })
    expect(data.user).toBeNull()
    expect(error).toMatchObject({ status: 403, message: 'not you' })
  })

  test('nobody but Auth calls the functions', async () => {
    const { error } = await anonymous().rpc('add_plan', { event: {} })
    expect(error).not.toBeNull()
  })
})

describe('a phone as the second factor', () => {
  test('enroll, challenge, verify, unenroll', async () => {
    const { client } = await signUp('phone')
    const phone = newPhone()
    const factor = ok(await client.auth.mfa.enroll({ factorType: 'phone', phone, friendlyName: 'mine' }))
    expect(factor).toMatchObject({ type: 'phone', friendly_name: 'mine', phone })

    const challenge = ok(await client.auth.mfa.challenge({ factorId: factor.id }))
    expect(challenge.type).toBe('phone')
    const wrong = await client.auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: 'wrong' })
    expect(wrong.error).toMatchObject({ status: 422, code: 'mfa_verification_failed', message: 'Invalid MFA Phone code entered' })

    ok(await client.auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: await textedTo(phone) }))
    const { session } = ok(await client.auth.getSession())
    expect(claimsOf(session.access_token)).toMatchObject({ aal: 'aal2', plan: 'free', amr: [{ method: 'mfa/phone' }, { method: 'password' }] })
    expect(ok(await client.auth.mfa.getAuthenticatorAssuranceLevel())).toMatchObject({ currentLevel: 'aal2', nextLevel: 'aal2' })
    expect(ok(await client.auth.mfa.listFactors()).phone).toMatchObject([{ id: factor.id, phone, status: 'verified' }])

    ok(await client.auth.mfa.unenroll({ factorId: factor.id }))
    ok(await client.auth.refreshSession())
    expect(ok(await client.auth.mfa.getAuthenticatorAssuranceLevel())).toMatchObject({ currentLevel: 'aal1' })
  })
})
