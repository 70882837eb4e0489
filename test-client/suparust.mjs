// The program under test: SUPARUST_BIN, or what stands in this repository, or
// the suparust of PATH. As a script of its own it runs a command of it:
// node suparust.mjs env test --regen
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const here = fileURLToPath(new URL('.', import.meta.url))

let found

// program is the path of the binary.
export const program = () => (found ??= find())

// What is built is moved to its place, so that two who build at once do not
// meet.
function find() {
  if (process.env.SUPARUST_BIN) return process.env.SUPARUST_BIN
  if (!existsSync(join(here, '..', 'cmd', 'suparust'))) return 'suparust'
  const folder = join(here, 'node_modules', '.cache', 'suparust')
  mkdirSync(folder, { recursive: true })
  const [built, made] = [join(folder, 'suparust'), join(folder, `suparust-${process.pid}`)]
  const go = spawnSync('go', ['build', '-o', made, '../cmd/suparust'], { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] })
  if (go.error?.code === 'ENOENT') return 'suparust'
  if (go.status !== 0) throw new Error('suparust does not build: see the compiler\'s messages above')
  renameSync(made, built)
  return built
}

// environment is what the program runs in: this one without what would set up
// another server than its file says.
export function environment() {
  const kept = /^SUPARUST_(CACHE_DIR|PG_|LOG|TEST_AS_PROGRAM)/
  const ours = ([name]) => !/SUPABASE|^SUPARUST_/.test(name) || kept.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(ours))
}

// run runs a command to its end and returns its exit code.
export function run(args, stdio = 'inherit') {
  const bin = program()
  const { error, status, signal } = spawnSync(bin, args, { cwd: here, env: environment(), stdio })
  if (error) throw new Error(`cannot run ${bin}: ${error.message}; set SUPARUST_BIN to the suparust binary`)
  return status ?? `signal ${signal}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = run(process.argv.slice(2))
