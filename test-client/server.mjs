// The server of a run: Vitest's mode names its profile. `npm test` is the
// profile test, whose file .env.test has suparust's names; `npm run test:compat`
// is the file .env.supabase.test, which has Supabase's. Each has ports and data
// of its own, so both can run at once. The server holds the other end of a pipe
// from this process, and ends when this process does, however that comes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseEnv } from 'node:util'
import { environment, here, program, run } from './suparust.mjs'

const profiles = {
  test: { file: '.env.test', flags: ['--profile', 'test'] },
  'supabase.test': { file: '.env.supabase.test', flags: ['--env-file', '.env.supabase.test'] },
}

const patience = 300_000

export default async function setup(project) {
  if (process.env.SUPARUST_TEST_RUNNING) return // the environment names a server that runs
  const mode = project.getProvidedContext().mode
  const profile = profiles[mode]
  if (!profile) throw new Error(`no server is known for the mode ${mode}: it is ${Object.keys(profiles).join(' or ')}`)
  const client = await clientEnvironment(profile)
  const server = await start(profile, client.SUPABASE_URL)
  Object.assign(process.env, client)
  return () => stop(profile, server)
}

// clientEnvironment reads what the tests find the server with, and has the
// files written on the first run.
async function clientEnvironment({ file }) {
  const path = join(here, `${file}.client`)
  if (!existsSync(path)) {
    const code = run(['env', 'test'], ['ignore', 'ignore', 'inherit'])
    // another run may be writing them
    for (const end = Date.now() + 10_000; code !== 0 && !existsSync(path); await delay(20)) {
      if (Date.now() > end) throw new Error(`\`suparust env test\` ended with ${code} and ${path} is not there`)
    }
  }
  return parseEnv(readFileSync(path, 'utf8'))
}

// start returns when the server has said that it serves at url.
async function start({ flags }, url) {
  const server = spawn(program(), [...flags, 'start', '--exit-with-stdin'], { cwd: here, env: environment(), stdio: 'pipe' })
  const said = { out: '', err: '' }
  for (const [name, stream] of [['out', server.stdout], ['err', server.stderr]]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said[name] = (said[name] + text).slice(-20_000)
    })
  }
  let failure
  server.on('error', (error) => (failure = error.message))
  server.on('exit', (code, signal) => (failure ??= `it ended with ${code ?? signal}`))
  for (const end = Date.now() + patience; !said.out.includes(url); await delay(20)) {
    if (!failure && Date.now() > end) failure = `it does not serve ${url} after ${patience / 1000} s`
    if (failure) {
      server.stdin.end()
      throw new Error(`the server did not start: ${failure}\n${said.err}`)
    }
  }
  return server
}

async function stop({ flags }, server) {
  if (server.exitCode !== null || server.signalCode) throw new Error(`the server ended before the tests: ${server.exitCode ?? server.signalCode}`)
  const ended = once(server, 'exit')
  const code = run([...flags, 'stop'], ['ignore', 'ignore', 'inherit'])
  server.stdin.end()
  const [exit] = await ended
  if (code !== 0 || exit !== 0) throw new Error(`the server did not stop well: stop ended with ${code}, the server with ${exit}`)
}
