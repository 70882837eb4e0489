import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as tus from 'tus-js-client'
import { anonKey, ok, signUp, url } from './clients.mjs'

const endpoint = `${url}/storage/v1/upload/resumable`
const chunkSize = 256 * 1024

let ann, token, dir

beforeAll(async () => {
  ann = await signUp('ann')
  token = ok(await ann.client.auth.getSession()).session.access_token
  dir = await mkdtemp(join(tmpdir(), 'resumable-'))
})

afterAll(() => rm(dir, { recursive: true, force: true }))

const path = (name) => `${ann.user.id}/${name}`

// options are those of the platform's guide to resumable uploads.
const options = (name, more = {}) => ({
  endpoint,
  retryDelays: [0, 50, 100],
  headers: { authorization: `Bearer ${token}`, apikey: anonKey, 'x-upsert': 'true' },
  uploadDataDuringCreation: true,
  removeFingerprintOnSuccess: true,
  metadata: {
    bucketName: 'papers',
    objectName: path(name),
    contentType: 'image/png',
    cacheControl: '3600',
    metadata: JSON.stringify({ from: 'a test' }),
  },
  chunkSize,
  ...more,
})

// run starts an upload and waits for its end; stop may end it after a part.
const run = (bytes, opts, { previous, stop } = {}) =>
  new Promise((resolve, reject) => {
    const offsets = []
    const upload = new tus.Upload(bytes, {
      ...opts,
      onError: reject,
      onSuccess: () => resolve({ upload, offsets }),
      onChunkComplete: (size, accepted) => {
        offsets.push(accepted)
        if (stop?.(accepted)) {
          upload.abort().then(() => resolve({ upload, offsets, stopped: true }), reject)
        }
      },
    })
    if (previous) {
      upload.resumeFromPreviousUpload(previous)
    }
    upload.start()
  })

const download = async (name) => Buffer.from(await ok(await ann.client.storage.from('papers').download(path(name))).arrayBuffer())

describe('tus-js-client', () => {
  test('uploads in parts, the first with the creation', async () => {
    const bytes = randomBytes(2 * chunkSize + 1000)
    const { offsets, upload } = await run(bytes, options('parts.png'))
    expect(offsets).toEqual([chunkSize, 2 * chunkSize, bytes.length])
    expect(upload.url.startsWith(`${endpoint}/`)).toBe(true)
    expect((await download('parts.png')).equals(bytes)).toBe(true)
    expect(ok(await ann.client.storage.from('papers').info(path('parts.png')))).toMatchObject({
      size: bytes.length,
      contentType: 'image/png',
      cacheControl: 'max-age=3600',
      metadata: { from: 'a test' },
    })
  })

  test('uploads after the creation, and without a length', async () => {
    const bytes = randomBytes(100_000)
    await run(bytes, options('after.png', { uploadDataDuringCreation: false, chunkSize: 30_000 }))
    expect((await download('after.png')).equals(bytes)).toBe(true)
    await run(bytes, options('deferred.png', { uploadLengthDeferred: true, chunkSize: 30_000 }))
    expect((await download('deferred.png')).equals(bytes)).toBe(true)
  })

  test('goes on with an upload that was left', async () => {
    const bytes = randomBytes(200_000)
    const opts = options('left.png', { chunkSize: 50_000, urlStorage: new tus.FileUrlStorage(join(dir, 'urls.json')), fingerprint: async () => 'left.png' })
    const first = await run(bytes, opts, { stop: (accepted) => accepted >= 100_000 })
    expect(first.stopped).toBe(true)
    const [previous] = await new tus.Upload(bytes, opts).findPreviousUploads()
    expect(previous.uploadUrl).toBe(first.upload.url)
    const { offsets } = await run(bytes, opts, { previous })
    expect(offsets[0]).toBeGreaterThan(100_000)
    expect((await download('left.png')).equals(bytes)).toBe(true)
  })

  test('ends an upload', async () => {
    const { upload } = await run(randomBytes(100_000), options('ended.png', { chunkSize: 50_000 }), { stop: () => true })
    await tus.Upload.terminate(upload.url, options('ended.png'))
    const gone = await fetch(upload.url, { method: 'HEAD', headers: { authorization: `Bearer ${token}`, 'tus-resumable': '1.0.0' } })
    expect(gone.status).toBe(404)
  })

  test('hears why an upload is refused', async () => {
    const failed = await run(randomBytes(10), options('x', { metadata: { bucketName: 'nowhere', objectName: 'x' }, retryDelays: null })).catch((e) => e)
    expect(failed).toBeInstanceOf(tus.DetailedError)
    expect(failed.originalResponse.getStatus()).toBe(404)
    expect(failed.originalResponse.getBody()).toBe('Bucket not found')
    const foreign = await run(randomBytes(10), options('x', { metadata: { bucketName: 'papers', objectName: 'somebody/x' }, retryDelays: null })).catch((e) => e)
    expect(foreign.originalResponse.getStatus()).toBe(403)
    expect(foreign.originalResponse.getBody()).toContain('row-level security')
  })

  test('uploads with a signed token in the place of a key', async () => {
    const signed = ok(await ann.client.storage.from('papers').createSignedUploadUrl(path('signed.png')))
    const bytes = randomBytes(100_000)
    const { upload } = await run(bytes, options('signed.png', { endpoint: `${endpoint}/sign`, headers: { 'x-signature': signed.token }, chunkSize: 60_000 }))
    expect(upload.url.startsWith(`${endpoint}/sign/`)).toBe(true)
    expect((await download('signed.png')).equals(bytes)).toBe(true)
  })
})
