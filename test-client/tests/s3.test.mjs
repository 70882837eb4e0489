import { Readable } from 'node:stream'
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, DeleteObjectCommand, DeleteObjectsCommand,
  GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, NoSuchKey, paginateListObjectsV2, PutObjectCommand, S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anonKey, ok, signUp, url } from './clients.mjs'

const Bucket = 'papers'
let ann, s3, bobs

// A session's credentials: the key for anonymous access signs, and the user's
// token says who is asking.
const clientOf = async ({ client }) => new S3Client({
  endpoint: `${url}/storage/v1/s3`,
  region: 'local',
  forcePathStyle: true,
  credentials: { accessKeyId: 'project', secretAccessKey: anonKey, sessionToken: (await client.auth.getSession()).data.session.access_token },
})

beforeAll(async () => {
  const [a, b] = await Promise.all([signUp('ann'), signUp('bob')])
  ann = a
  ;[s3, bobs] = await Promise.all([clientOf(a), clientOf(b)])
})

afterAll(() => {
  s3?.destroy()
  bobs?.destroy()
})

const path = (name) => `${ann.user.id}/${name}`
const put = (name, Body, more = {}) => s3.send(new PutObjectCommand({ Bucket, Key: path(name), Body, ...more }))
const get = async (name, more = {}) => {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key: path(name), ...more }))
  return { ...answer, text: await answer.Body.transformToString() }
}

describe('the SDK of S3', () => {
  test('an object that it stores is there for supabase-js', async () => {
    await put("s3/a b+c&d='(1).txt", 'hello', { ContentType: 'text/plain', Metadata: { Color: 'red' } })
    expect(await get("s3/a b+c&d='(1).txt")).toMatchObject({ text: 'hello', ContentType: 'text/plain', Metadata: { color: 'red' } })
    const down = ok(await ann.client.storage.from(Bucket).download(path("s3/a b+c&d='(1).txt")))
    expect(await down.text()).toBe('hello')
    expect(await get("s3/a b+c&d='(1).txt", { Range: 'bytes=1-3' })).toMatchObject({ text: 'ell', ContentRange: 'bytes 1-3/5' })
  })

  test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'])('%s at the end of a stream', async (ChecksumAlgorithm) => {
    await put(`sums/${ChecksumAlgorithm}`, Readable.from(['str', 'eam']), { ContentLength: 6, ChecksumAlgorithm })
    expect((await get(`sums/${ChecksumAlgorithm}`, { ChecksumMode: 'ENABLED' })).text).toBe('stream')
  })

  test('a wrong checksum is refused', async () => {
    await expect(put('wrong', 'hello', { ChecksumSHA256: Buffer.alloc(32).toString('base64') })).rejects.toMatchObject({ name: 'BadDigest' })
    await expect(get('wrong')).rejects.toBeInstanceOf(NoSuchKey)
  })

  test('parts become an object', async () => {
    const Key = path('parts')
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'text/css' }))
    const Parts = []
    for (const [i, Body] of ['one ', 'two ', 'three'].entries()) {
      const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body }))
      Parts.push({ ETag, PartNumber: i + 1 })
    }
    const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }))
    expect(done.ETag).toMatch(/^"[0-9a-f]{32}-3"$/)
    expect(await get('parts')).toMatchObject({ text: 'one two three', ContentType: 'text/css', ETag: done.ETag })
  })

  test('lists, page by page and by folder', async () => {
    const names = ['list/1', 'list/2', 'list/in/3', 'list/in/4']
    await Promise.all(names.map((name) => put(name, name)))
    const found = []
    for await (const page of paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket, Prefix: path('list/') })) {
      found.push(...page.Contents.map((o) => o.Key))
    }
    expect(found).toEqual(names.map(path))
    const top = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: path('list/'), Delimiter: '/' }))
    expect([top.Contents.map((o) => o.Key), top.CommonPrefixes]).toEqual([names.slice(0, 2).map(path), [{ Prefix: path('list/in/') }]])
  })

  test('copies and deletes', async () => {
    await put('from', 'hello', { Metadata: { a: 'b' } })
    await s3.send(new CopyObjectCommand({ Bucket, Key: path('to'), CopySource: `${Bucket}/${path('from')}` }))
    expect(await get('to')).toMatchObject({ text: 'hello', Metadata: { a: 'b' } })
    await s3.send(new DeleteObjectCommand({ Bucket, Key: path('from') }))
    const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: path('to') }, { Key: path('none') }] } }))
    expect(Deleted).toHaveLength(2)
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: path('to') }))).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } })
  })

  test('the policies keep others out', async () => {
    await put('mine', 'hello')
    await expect(bobs.send(new GetObjectCommand({ Bucket, Key: path('mine') }))).rejects.toBeInstanceOf(NoSuchKey)
    await expect(bobs.send(new PutObjectCommand({ Bucket, Key: path('mine'), Body: 'x' }))).rejects.toMatchObject({ name: 'AccessDenied' })
    expect((await get('mine')).text).toBe('hello')
  })
})
