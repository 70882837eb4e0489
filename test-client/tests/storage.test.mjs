import { beforeAll, describe, expect, test } from 'vitest'
import { anonymous, newEmail, ok, service, signUp } from './clients.mjs'

let ann, bob

beforeAll(async () => {
  ;[ann, bob] = await Promise.all([signUp('ann'), signUp('bob')])
})

const path = (name) => `${ann.user.id}/${name}`
const text = async (blob) => (await blob.text())
const hello = () => new Blob(['hello'], { type: 'text/plain' })

describe('objects', () => {
  test('a Blob goes up as a form and comes down', async () => {
    const papers = ann.client.storage.from('papers')
    const up = ok(await papers.upload(path('form.txt'), hello()))
    expect(up).toMatchObject({ path: path('form.txt'), fullPath: `papers/${path('form.txt')}` })
    expect(up.id).toMatch(/^[0-9a-f-]{36}$/)
    const down = ok(await papers.download(path('form.txt')))
    expect(down.type).toBe('text/plain')
    expect(await text(down)).toBe('hello')
  })

  test('a Buffer goes up as it is', async () => {
    const papers = ann.client.storage.from('papers')
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256))
    ok(await papers.upload(path('raw.bin'), bytes, { contentType: 'image/x-noise', cacheControl: '60', metadata: { from: 'a test' } }))
    const down = ok(await papers.download(path('raw.bin')))
    expect(Buffer.from(await down.arrayBuffer()).equals(bytes)).toBe(true)
    expect(ok(await papers.info(path('raw.bin')))).toMatchObject({
      name: path('raw.bin'),
      size: bytes.length,
      contentType: 'image/x-noise',
      cacheControl: 'max-age=60',
      metadata: { from: 'a test' },
    })
  })

  test('names with spaces and signs', async () => {
    const papers = ann.client.storage.from('papers')
    const name = path("a b/c+d (e) & 'f'.txt")
    ok(await papers.upload(name, hello()))
    expect(await text(ok(await papers.download(name)))).toBe('hello')
  })

  test('a name is taken until it is overwritten on purpose', async () => {
    const papers = ann.client.storage.from('papers')
    ok(await papers.upload(path('twice.txt'), hello()))
    const { data, error } = await papers.upload(path('twice.txt'), 'again')
    expect(data).toBeNull()
    expect(error).toMatchObject({ name: 'StorageApiError', statusCode: '409', message: 'The resource already exists' })
    ok(await papers.upload(path('twice.txt'), 'again', { upsert: true, contentType: 'text/plain' }))
    expect(await text(ok(await papers.download(path('twice.txt'))))).toBe('again')
    ok(await papers.update(path('twice.txt'), 'third'))
    expect(await text(ok(await papers.download(path('twice.txt'))))).toBe('third')
  })

  test('list, exists, move, copy and remove', async () => {
    const papers = ann.client.storage.from('papers')
    for (const name of ['c', 'a', 'b', 'deep/d']) {
      ok(await papers.upload(path(`list/${name}.txt`), hello()))
    }
    const names = async (o) => ok(await papers.list(path('list'), o)).map((f) => f.name)
    expect(await names()).toEqual(['a.txt', 'b.txt', 'c.txt', 'deep'])
    expect(await names({ limit: 2, offset: 1 })).toEqual(['b.txt', 'c.txt'])
    expect(await names({ search: 'b' })).toEqual(['b.txt'])
    expect(await names({ sortBy: { column: 'name', order: 'desc' } })).toContain('c.txt')
    const [file] = ok(await papers.list(path('list'), { search: 'a.txt' }))
    expect(file).toMatchObject({ name: 'a.txt', metadata: { size: 5, mimetype: 'text/plain' } })

    ok(await papers.move(path('list/a.txt'), path('list/moved.txt')))
    ok(await papers.copy(path('list/b.txt'), path('list/copied.txt')))
    expect(await names()).toEqual(['b.txt', 'c.txt', 'copied.txt', 'deep', 'moved.txt'])
    expect(ok(await papers.exists(path('list/moved.txt')))).toBe(true)
    expect((await papers.exists(path('list/a.txt'))).data).toBe(false)

    const removed = ok(await papers.remove([path('list/b.txt'), path('list/c.txt'), path('list/none.txt')]))
    expect(removed.map((f) => f.name).sort()).toEqual([path('list/b.txt'), path('list/c.txt')])
    expect(await names()).toEqual(['copied.txt', 'deep', 'moved.txt'])
    expect((await papers.download(path('list/b.txt'))).error).toBeTruthy()
  })
})

describe('images', () => {
  // a PNG of 4 by 2 pixels
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAIAAADwyuo0AAAAE0lEQVR4nGM4wSAHRwwnuOTgCABj3gdZQ9oL2QAAAABJRU5ErkJggg==', 'base64')
  // its size, out of the head of a PNG
  const size = async (blob) => {
    const bytes = Buffer.from(await blob.arrayBuffer())
    return `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`
  }

  test('transformed by download, a signed URL and a public URL', async () => {
    const papers = ann.client.storage.from('papers')
    ok(await papers.upload(path('picture.png'), png, { contentType: 'image/png' }))
    expect(await size(ok(await papers.download(path('picture.png'))))).toBe('4x2')
    const small = ok(await papers.download(path('picture.png'), { transform: { width: 2, height: 2, resize: 'contain' } }))
    expect(small.type).toBe('image/png')
    expect(await size(small)).toBe('2x1')

    const { signedUrl } = ok(await papers.createSignedUrl(path('picture.png'), 60, { transform: { width: 1, height: 1 } }))
    expect(signedUrl).toContain('/storage/v1/render/image/sign/papers/')
    const signed = await fetch(signedUrl)
    expect(signed.status).toBe(200)
    expect(await size(await signed.blob())).toBe('1x1')

    const { publicUrl } = anonymous().storage.from('papers').getPublicUrl(path('picture.png'), { transform: { width: 1, quality: 50 } }).data
    const refused = await fetch(publicUrl) // the bucket is private
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ statusCode: '404', code: 'NoSuchBucket' })

    expect((await bob.client.storage.from('papers').download(path('picture.png'), { transform: { width: 1 } })).error).toBeTruthy()
    const { error } = await papers.createSignedUrl(path('picture.png'), 60, { transform: { width: 1, quality: 5 } })
    expect(error).toMatchObject({ statusCode: '400', message: 'body/transform/quality must be >= 20' })
  })
})

describe('access', () => {
  test('a public bucket is read by its URL', async () => {
    const avatars = ann.client.storage.from('avatars')
    ok(await avatars.upload(path('me.txt'), hello()))
    const { publicUrl } = avatars.getPublicUrl(path('me.txt')).data
    const res = await fetch(publicUrl)
    expect(res.status).toBe(200)
    expect(res.headers.get('content-type')).toMatch('text/plain')
    expect(await res.text()).toBe('hello')
    const part = await fetch(publicUrl, { headers: { Range: 'bytes=1-2' } })
    expect([part.status, await part.text()]).toEqual([206, 'el'])
    const saved = await fetch(avatars.getPublicUrl(path('me.txt'), { download: 'hi.txt' }).data.publicUrl)
    expect(saved.headers.get('content-disposition')).toContain('hi.txt')
  })

  test('a private one is read by its owner and by the service', async () => {
    ok(await ann.client.storage.from('papers').upload(path('private.txt'), hello()))
    const get = (client) => client.storage.from('papers').download(path('private.txt'))
    expect(await text(ok(await get(ann.client)))).toBe('hello')
    expect(await text(ok(await get(service())))).toBe('hello')
    for (const client of [bob.client, anonymous()]) {
      const { data, error } = await get(client)
      expect(data).toBeNull()
      expect(error).toMatchObject({ status: 400 })
    }
    const url = ann.client.storage.from('papers').getPublicUrl(path('private.txt')).data.publicUrl
    expect((await fetch(url)).status).toBe(400)
    expect(ok(await bob.client.storage.from('papers').list(ann.user.id))).toEqual([])
    expect(ok(await bob.client.storage.from('papers').remove([path('private.txt')]))).toEqual([])
    expect(await text(ok(await get(ann.client)))).toBe('hello')
  })

  test('nobody writes into the folder of another', async () => {
    for (const client of [bob.client, anonymous()]) {
      const { data, error } = await client.storage.from('papers').upload(path('intruder.txt'), hello())
      expect(data).toBeNull()
      expect(error).toMatchObject({ statusCode: '403', message: 'new row violates row-level security policy' })
    }
  })

  test('a signed URL opens one object', async () => {
    const papers = ann.client.storage.from('papers')
    ok(await papers.upload(path('signed.txt'), hello()))
    const { signedUrl } = ok(await papers.createSignedUrl(path('signed.txt'), 60))
    expect(await (await fetch(signedUrl)).text()).toBe('hello')
    expect((await fetch(signedUrl.replace('signed.txt', 'private.txt'))).status).toBe(400)
    const [one, none] = ok(await papers.createSignedUrls([path('signed.txt'), path('none.txt')], 60))
    expect(await (await fetch(one.signedUrl)).text()).toBe('hello')
    expect(none.error).toBeTruthy()
    expect((await bob.client.storage.from('papers').createSignedUrl(path('signed.txt'), 60)).error).toBeTruthy()
  })

  test('a signed upload needs no session', async () => {
    const { token } = ok(await ann.client.storage.from('papers').createSignedUploadUrl(path('later.txt')))
    ok(await anonymous().storage.from('papers').uploadToSignedUrl(path('later.txt'), token, hello()))
    expect(await text(ok(await ann.client.storage.from('papers').download(path('later.txt'))))).toBe('hello')
  })
})

describe('refusals', () => {
  test('what does not exist', async () => {
    const { error: object } = await ann.client.storage.from('papers').info(path('nothing.txt'))
    expect(object).toMatchObject({ name: 'StorageApiError', status: 400, statusCode: '404' })
    const { error: bucket } = await service().storage.from('nothing').upload('x.txt', hello())
    expect(bucket).toMatchObject({ statusCode: '404', message: 'Bucket not found' })
    expect((await service().storage.getBucket('nothing')).error).toMatchObject({ statusCode: '404', message: 'Bucket not found' })
    expect((await service().storage.from('papers').download('nothing.txt')).error).toMatchObject({ status: 400 })
  })

  test("the bucket's limits", async () => {
    const small = service().storage.from('small')
    ok(await small.upload(newEmail(), hello()))
    expect((await small.upload(newEmail(), new Blob(['x'.repeat(17)], { type: 'text/plain' }))).error)
      .toMatchObject({ statusCode: '413', message: 'The object exceeded the maximum allowed size' })
    expect((await small.upload(newEmail(), new Blob(['x'], { type: 'image/png' }))).error)
      .toMatchObject({ statusCode: '415', message: 'mime type image/png is not supported' })
  })
})

describe('buckets', () => {
  test('made, changed, emptied and deleted by the service', async () => {
    const { storage } = service()
    const id = newEmail('bucket').replace('@', '-')
    expect(ok(await storage.createBucket(id, { public: false, fileSizeLimit: '1KB', allowedMimeTypes: ['text/*'] }))).toEqual({ name: id })
    expect((await storage.createBucket(id)).error).toMatchObject({ statusCode: '409', message: 'The resource already exists' })
    expect(ok(await storage.getBucket(id))).toMatchObject({ id, name: id, public: false, file_size_limit: 1000, allowed_mime_types: ['text/*'] })
    ok(await storage.updateBucket(id, { public: true }))
    expect(ok(await storage.listBuckets()).find((b) => b.id === id)).toMatchObject({ public: true })

    ok(await storage.from(id).upload('a.txt', hello()))
    expect((await storage.deleteBucket(id)).error).toMatchObject({ statusCode: '409' })
    ok(await storage.emptyBucket(id))
    await expect.poll(async () => ok(await storage.from(id).list()).length).toBe(0)
    ok(await storage.deleteBucket(id))
    expect((await storage.getBucket(id)).error).toMatchObject({ statusCode: '404' })
  })

  test('hidden from visitors and refused to users', async () => {
    expect(ok(await anonymous().storage.listBuckets())).toEqual([])
    expect((await ann.client.storage.createBucket('mine')).error).toMatchObject({ statusCode: '403' })
  })
})
